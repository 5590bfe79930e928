/** The default limits of heads, for tests of parsers. */

import { defaults } from "../../../../src/config/config.ts";
import {
  requestLimits as requestLimitsOf,
  responseLimits as responseLimitsOf,
} from "../../../../src/engine/wire/http1/head-limits.ts";

export const requestLimits = requestLimitsOf(defaults.limits);
export const responseLimits = responseLimitsOf(defaults.limits);
