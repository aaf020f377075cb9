import { listPolicies, recommend, type Profile } from "./generated/client";

const profile: Profile = { labeled_examples: 3_000_000_000, knowledge_need: "changing_facts" };

async function main(): Promise<void> {
  const advice = await recommend(profile);
  const listed = await listPolicies();
  const failed = await recommend({ requests_per_day: -1 });
  if (advice.status !== 200 || listed.status !== 200 || failed.status !== 400) throw new Error("an answer is missing");
  if (typeof advice.data === "string") throw new Error("it was asked for as Markdown or HTML");
  const strategy: string = advice.data.strategy;
  const versions: string[] = listed.data.policies.map((policy) => policy.version);
  const problem: string = failed.data.code;
  const pointers: (string | undefined)[] = (failed.data.errors ?? []).map((error) => error.pointer);
  console.log(JSON.stringify({ strategy, versions, problem, pointers }));
}

void main();
