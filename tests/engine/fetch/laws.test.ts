import { fetchEngine } from "../../../src/engine/fetch/bun.ts";
import { engineLaws } from "../../laws/engine-laws.ts";
import { faultInjectionLaws } from "../../laws/fault-injection-laws.ts";
import { fetchExceptions } from "./exceptions.ts";

engineLaws(fetchEngine, fetchExceptions);
faultInjectionLaws(fetchEngine);
