import { isAxiosError } from "axios";
import { AdviceApi, Configuration, PoliciesApi, type ProblemDocument, type Profile } from "./generated";

const configuration = new Configuration({ basePath: process.argv[2] ?? "" });
const advice = new AdviceApi(configuration);
const profile: Profile = { labeled_examples: 3_000_000_000, knowledge_need: "changing_facts" };

async function refused(): Promise<ProblemDocument> {
  try {
    await advice.recommend({ requests_per_day: -1 });
  } catch (error) {
    if (isAxiosError<ProblemDocument>(error) && error.response) return error.response.data;
    throw error;
  }
  throw new Error("nothing was refused");
}

async function main(): Promise<void> {
  const strategy: string = (await advice.recommend(profile)).data.strategy;
  const listed = (await new PoliciesApi(configuration).listPolicies()).data;
  const versions: string[] = listed.policies.map((policy) => policy.version);
  const failed = await refused();
  const problem: string = failed.code;
  const pointers: (string | undefined)[] = (failed.errors ?? []).map((error) => error.pointer);
  console.log(JSON.stringify({ strategy, versions, problem, pointers }));
}

void main();
