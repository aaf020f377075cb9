import { listPolicies, recommend, type Profile } from "./generated";
import { client } from "./generated/client.gen";

client.setConfig({ baseUrl: process.argv[2] ?? "" });
const profile: Profile = { labeled_examples: 3_000_000_000, knowledge_need: "changing_facts" };

async function main(): Promise<void> {
  const advice = await recommend({ body: profile });
  const listed = await listPolicies();
  const failed = await recommend({ body: { requests_per_day: -1 } });
  if (!advice.data || !listed.data || !failed.error) throw new Error("an answer is missing");
  const strategy: string = advice.data.strategy;
  const versions: string[] = listed.data.policies.map((policy) => policy.version);
  const problem: string = failed.error.code;
  const pointers: (string | undefined)[] = (failed.error.errors ?? []).map((error) => error.pointer);
  console.log(JSON.stringify({ strategy, versions, problem, pointers }));
}

void main();
