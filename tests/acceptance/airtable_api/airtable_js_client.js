// Walks through airtable.js as its users do and prints what came of it. Arguments: address, token, base, name.
const Airtable = require("airtable");

const [endpointUrl, apiKey, base, name] = process.argv.slice(2);
const table = new Airtable({ endpointUrl, apiKey, noRetryIfRateLimited: true }).base(base)("Droplets");
const filterByFormula = `{name}='${name}'`;
const cells = (records) => records.map((record) => record.fields);
const failure = (promise) =>
  promise.then(() => "no error", (error) => [error.statusCode, error.error, error.message]);

async function main() {
  const told = {};
  const one = await table.create({ name, cpu: 0 });
  told.created = one.fields;
  told.createdTime = one._rawJson.createdTime;
  const some = await table.create([{ fields: { name, cpu: 1 } }, { fields: { name, cpu: "2" } }], { typecast: true });
  told.createdMany = cells(some);
  told.found = (await table.find(one.id)).get("cpu");
  told.updated = (await table.update(one.id, { mem: 5 })).fields;
  told.updatedMany = cells(await table.update([{ id: some[0].id, fields: { mem: 6 } }]));
  told.replaced = (await table.replace(one.id, { name, cpu: 9 })).fields;
  told.replacedMany = cells(await table.replace([{ id: some[0].id, fields: { name, cpu: 8 } }]));
  told.upserted = cells(
    await table.update([{ fields: { name, cpu: 8, disk: 1 } }], { performUpsert: { fieldsToMergeOn: ["name", "cpu"] } })
  );
  const pages = [];
  await table.select({ filterByFormula, pageSize: 2, sort: [{ field: "cpu", direction: "desc" }] }).eachPage((records, next) => {
    pages.push(records.map((record) => record.get("cpu")));
    next();
  });
  told.pages = pages;
  told.all = cells(await table.select({ filterByFormula, fields: ["cpu"], maxRecords: 1, view: "Grid view" }).all());
  told.byPost = (await table.select({ filterByFormula, method: "post", timeZone: "utc", userLocale: "en" }).all()).length;
  told.firstPage = (await table.select({ filterByFormula, recordMetadata: ["commentCount"] }).firstPage()).length;
  told.listed = await new Promise((resolve, reject) =>
    table.list(1, undefined, {}, (error, records) => (error ? reject(error) : resolve(records.length)))
  );
  told.unknownField = await failure(table.create({ nope: 1 }));
  told.missing = await failure(table.find("recAAAAAAAAAAAAAA"));
  told.malformed = await failure(table.find("rec1"));
  told.destroyed = (await table.destroy(one.id)).id === one.id;
  told.destroyedMany = (await table.destroy(some.map((record) => record.id))).length;
  console.log(JSON.stringify(told));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
