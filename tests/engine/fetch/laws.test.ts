import { fetchEngine } from "../../../src/engine/fetch/bun.ts";
import { engineLaws } from "../../laws/engine-laws.ts";
import { rehearsalLaws } from "../../laws/fault-injection-laws.ts";
import { fetchExceptions } from "./exceptions.ts";

engineLaws(fetchEngine, fetchExceptions);
rehearsalLaws(fetchEngine);
