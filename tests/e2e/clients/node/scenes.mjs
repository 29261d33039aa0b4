// fhir-kit-client, used as its documentation says. Prints one JSON object: what each scene saw, for the test that started it.
import { Client } from "fhir-kit-client";

const [baseUrl, bearerToken] = process.argv.slice(2);
const client = new Client({ baseUrl, bearerToken });
const patient = { resourceType: "Patient", name: [{ family: "Ashgrove", given: ["Linnea"] }], birthDate: "1971-05-09" };
const identifier = [{ system: "urn:id:kit", value: "one" }];

const observation = (subject, number) => ({
  resourceType: "Observation",
  status: "final",
  code: { text: `n${number}` },
  subject: { reference: subject },
});

const refused = async (call) => {
  try {
    await call();
  } catch (error) {
    return { status: error.response?.status, issue: error.response?.data?.issue?.[0]?.code };
  }
  return null;
};

const scenes = {
  async capabilities() {
    const statement = await client.capabilityStatement();
    return { type: statement.resourceType, version: statement.fhirVersion };
  },

  async smart() {
    return client.smartAuthMetadata();
  },

  async interactions() {
    const created = await client.create({ resourceType: "Patient", body: patient });
    const read = await client.read({ resourceType: "Patient", id: created.id });
    const updated = await client.update({ resourceType: "Patient", id: created.id, body: { ...read, active: true } });
    const patched = await client.patch({
      resourceType: "Patient",
      id: created.id,
      jsonPatch: [{ op: "replace", path: "/birthDate", value: "1972-05-09" }],
    });
    const first = await client.vread({ resourceType: "Patient", id: created.id, version: "1" });
    const history = await client.history({ resourceType: "Patient", id: created.id });
    await client.delete({ resourceType: "Patient", id: created.id });
    return {
      same: JSON.stringify(read) === JSON.stringify(created),
      versions: [created, updated, patched, first].map((each) => each.meta.versionId),
      birthDates: [patched.birthDate, first.birthDate],
      history: history.entry.map((each) => each.request.method),
      gone: await refused(() => client.read({ resourceType: "Patient", id: created.id })),
    };
  },

  async conditional() {
    const searchParams = { identifier: "urn:id:kit|one" };
    const made = await client.update({ resourceType: "Patient", searchParams, body: { ...patient, identifier } });
    const again = await client.update({ resourceType: "Patient", searchParams, body: { ...patient, identifier, active: true } });
    return { same: made.id === again.id, version: again.meta.versionId };
  },

  async search() {
    const { id } = await client.create({ resourceType: "Patient", body: patient });
    for (let number = 0; number < 5; number++) {
      await client.create({ resourceType: "Observation", body: observation(`Patient/${id}`, number) });
    }
    const found = [];
    let bundle = await client.search({ resourceType: "Observation", searchParams: { subject: `Patient/${id}`, _count: 2 } });
    while (bundle) {
      found.push(...(bundle.entry ?? []).map((each) => each.resource.code.text));
      bundle = await client.nextPage({ bundle });
    }
    const posted = await client.resourceSearch({
      resourceType: "Observation",
      searchParams: { subject: `Patient/${id}` },
      options: { postSearch: true },
    });
    const compartment = await client.compartmentSearch({ resourceType: "Observation", compartment: { resourceType: "Patient", id } });
    const system = await client.systemSearch({ searchParams: { _type: "Patient", _id: id } });
    return {
      pages: found.sort(),
      posted: posted.entry.length,
      compartment: compartment.entry.length,
      system: system.entry.map((each) => each.resource.id === id),
    };
  },

  async bundles() {
    const entry = [
      { fullUrl: "urn:uuid:1", resource: patient, request: { method: "POST", url: "Patient" } },
      { resource: observation("urn:uuid:1", 1), request: { method: "POST", url: "Observation" } },
    ];
    const done = await client.transaction({ body: { resourceType: "Bundle", type: "transaction", entry } });
    const [made, seen] = done.entry.map((each) => each.response.location.split("/").slice(-4, -2));
    const stored = await client.read({ resourceType: seen[0], id: seen[1] });
    const reads = [`Patient/${made[1]}`, "Patient/nobody"].map((url) => ({ request: { method: "GET", url } }));
    const batch = await client.batch({ body: { resourceType: "Bundle", type: "batch", entry: reads } });
    return {
      linked: stored.subject.reference === made.join("/"),
      batch: batch.entry.map((each) => each.response.status.slice(0, 3)),
    };
  },

  async operations() {
    const { id } = await client.create({ resourceType: "Patient", body: { ...patient, meta: { tag: [{ system: "urn:t", code: "a" }] } } });
    const meta = await client.operation({ name: "$meta", resourceType: "Patient", id, method: "GET" });
    return { tag: meta.parameter[0].valueMeta.tag[0].code };
  },

  async refusals() {
    return {
      invalid: await refused(() => client.create({ resourceType: "Patient", body: { ...patient, gender: "F" } })),
      unknown: await refused(() => client.search({ resourceType: "Patient", searchParams: { nothing: "x" } })),
      stranger: await refused(() => new Client({ baseUrl }).read({ resourceType: "Patient", id: "1" })),
    };
  },
};

const seen = {};
for (const [name, scene] of Object.entries(scenes)) {
  seen[name] = await scene();
}
console.log(JSON.stringify(seen));
