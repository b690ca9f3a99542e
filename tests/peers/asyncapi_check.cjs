// Checks an AsyncAPI document with @asyncapi/parser and prints what it found, one JSON object on each line.
// node asyncapi_check.cjs NODE_MODULES DOCUMENT
const { join } = require("node:path");
const [modules, file] = process.argv.slice(2);
const { Parser, fromFile } = require(join(modules, "@asyncapi/parser"));

// GS1's schema is pointed to, not kept here, and tests have no network: any schema stands for it.
const elsewhere = { schema: "https", order: 1, canRead: () => true, read: () => '{"type": "object"}' };
const parser = new Parser({ __unstable: { resolver: { resolvers: [elsewhere] } } });

fromFile(parser, file).parse().then(({ document, diagnostics }) => {
  for (const { severity, code, path, message } of diagnostics) {
    console.log(JSON.stringify({ severity, code, path: path.join("/"), message }));
  }
  if (!document) return;
  for (const operation of document.allOperations().all()) {
    const channels = operation.channels().all().map((channel) => channel.address());
    console.log(JSON.stringify({ operation: operation.id(), action: operation.action(), channels }));
  }
});
