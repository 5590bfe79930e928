import { policyNames } from "../../src/policy/policies.ts";
import { policyLaws } from "../laws/policy-laws.ts";

for (const name of policyNames) policyLaws(name);
