// What llrpjs's client does with bytes that any reader may send, without a network. Prints JSON.
const { LLRPClient, LLRPCore } = require("llrpjs");

const KEEPALIVE = Buffer.from([4, 62, 0, 0, 0, 10, 0, 0, 0, 1]);
const ENOUGH = 5;

// How many of two messages in one segment it takes out when that segment comes.
const of_two = async () => {
    const reader = new LLRPClient({ host: "127.0.0.1", port: 1 });
    let taken = 0;
    reader.on("KEEPALIVE", () => { taken += 1; });
    await reader.onData(Buffer.concat([KEEPALIVE, KEEPALIVE]));
    return taken;
};

// Whether its `transact` looks at one message that is not the answer again and again, and receives no other.
const looks_again = async () => {
    const reader = new LLRPClient({ host: "127.0.0.1", port: 1 });
    let looked = 0, received = 0;
    const other = { getName: () => (++looked < ENOUGH ? "KEEPALIVE" : "CLOSE_CONNECTION_RESPONSE") };
    reader.send = async () => {};
    reader.recv = async () => { received += 1; return other; };
    await reader.transact(new LLRPCore.CLOSE_CONNECTION({ data: {} })).catch(() => {});
    return looked >= ENOUGH && received === 1;
};

(async () => {
    console.log(JSON.stringify({ of_two: await of_two(), looks_again: await looks_again() }));
    process.exit(0);
})().catch(error => { console.error(error); process.exit(1); });
