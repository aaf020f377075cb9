import createClient from "openapi-fetch";
import type { components, paths } from "./generated/schema";

const client = createClient<paths>({ baseUrl: process.argv[2] ?? "" });
const profile: components["schemas"]["Profile"] = {
  labeled_examples: 3_000_000_000,
  knowledge_need: "changing_facts",
};

async function main(): Promise<void> {
  const advice = await client.POST("/recommend", { body: profile });
  const listed = await client.GET("/policies");
  const failed = await client.POST("/recommend", { body: { requests_per_day: -1 } });
  if (!advice.data || !listed.data || !failed.error) throw new Error("an answer is missing");
  if (typeof advice.data === "string") throw new Error("it was asked for as Markdown or HTML");
  const strategy: string = advice.data.strategy;
  const versions: string[] = listed.data.policies.map((policy) => policy.version);
  const problem: string = failed.error.code;
  const pointers: (string | undefined)[] = (failed.error.errors ?? []).map((error) => error.pointer);
  console.log(JSON.stringify({ strategy, versions, problem, pointers }));
}

void main();
