// A session of llrpjs's client. Arguments: port, and how many tags to wait for. Prints what it heard as JSON.
const { LLRPClient, LLRPCore } = require("llrpjs");
const [port, wanted] = process.argv.slice(2).map(Number);
const reader = new LLRPClient({ host: "127.0.0.1", port });
const once = name => new Promise(resolve => reader.once(name, resolve));

// Not its `transact`, which never returns where a report comes before the answer: see llrpjs_probe.js.
const ask = async (name, data) => {
    const answer = once(name + "_RESPONSE");
    await reader.send(new LLRPCore[name]({ data }));
    const message = await answer;
    const status = message.getLLRPStatus().getStatusCode();
    if (status !== "M_Success") throw new Error(`${name}: ${status}`);
    return message;
};

const tags = [];
const contents = ["AntennaID", "PeakRSSI", "FirstSeenTimestamp"];
const others = ["ROSpecID", "SpecIndex", "InventoryParameterSpecID", "ChannelIndex", "LastSeenTimestamp",
                "TagSeenCount", "AccessSpecID"];
const selector = Object.fromEntries([...contents, ...others].map(name => ["Enable" + name, contents.includes(name)]));
const ROSpec = {
    ROSpecID: 123, Priority: 0, CurrentState: "Disabled",
    ROBoundarySpec: {
        ROSpecStartTrigger: { ROSpecStartTriggerType: "Null" },
        ROSpecStopTrigger: { ROSpecStopTriggerType: "Null", DurationTriggerValue: 0 } },
    AISpec: {
        AntennaIDs: [0], AISpecStopTrigger: { AISpecStopTriggerType: "Null", DurationTrigger: 0 },
        InventoryParameterSpec: { InventoryParameterSpecID: 1, ProtocolID: "EPCGlobalClass1Gen2" } },
    ROReportSpec: { ROReportTrigger: "Upon_N_Tags_Or_End_Of_AISpec", N: 5, TagReportContentSelector: selector } };

const main = async () => {
    reader.on("error", error => { throw error; });
    const greeting = once("READER_EVENT_NOTIFICATION"), alive = once("KEEPALIVE");
    reader.on("KEEPALIVE", () => reader.send(new LLRPCore.KEEPALIVE_ACK({ data: {} })));
    const read = new Promise(resolve => reader.on("RO_ACCESS_REPORT", message => {
        for (const tag of [message.getTagReportData()].flat())
            tags.push([tag.getEPCParameter().getEPC().toUpperCase(), tag.getPeakRSSI().getPeakRSSI(), null]);
        if (new Set(tags.map(([epc]) => epc)).size === wanted) resolve();
    }));
    await reader.connect();
    // It takes one message out of what a segment brings, and the next one only with the next segment.
    setInterval(() => reader._tcp?.emit("data", Buffer.alloc(0)), 5);
    const greeted = (await greeting).getReaderEventNotificationData().getConnectionAttemptEvent().getStatus();
    const general = (await ask("GET_READER_CAPABILITIES", { RequestedData: "All" })).getGeneralDeviceCapabilities();
    const KeepaliveSpec = { KeepaliveTriggerType: "Periodic", PeriodicTriggerValue: 200 };
    await ask("SET_READER_CONFIG", { ResetToFactoryDefault: 0, KeepaliveSpec });
    await ask("ADD_ROSPEC", { ROSpec });
    await ask("ENABLE_ROSPEC", { ROSpecID: 123 });
    await ask("START_ROSPEC", { ROSpecID: 123 });
    await read;
    await alive;
    await ask("DELETE_ROSPEC", { ROSpecID: 123 });
    await ask("CLOSE_CONNECTION", {});
    const firmware = general.getReaderFirmwareVersion();
    console.log(JSON.stringify({ connected: greeted === "Success", firmware, tags }));
    process.exit(0);
};
main().catch(error => { console.error(error); process.exit(1); });
