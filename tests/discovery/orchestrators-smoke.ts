/** The laws of the orchestrators' sources on Deno: `npx deno@2.9.6 test -A tests/discovery/orchestrators-smoke.ts`. */

import { describe, test } from "node:test";
import { dockerLaws } from "./docker-laws.ts";
import { kubernetesLaws } from "./kubernetes-laws.ts";

describe("the source of Docker's containers on Deno", () => {
  for (const { name, check } of dockerLaws) test(name, check);
});

describe("the source of a service's endpoints in Kubernetes on Deno", () => {
  for (const { name, check } of kubernetesLaws) test(name, check);
});
