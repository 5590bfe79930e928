/** A short text that is the same for balancers with the same pools and routes. */

import type { Config } from "../config/config.ts";
import { toConfigFile } from "../config/to-file.ts";
import { asRecord } from "../lib/json.ts";
import { digestOf } from "../lib/secrets.ts";

/** What belongs to one machine is left out: listeners, ports, paths of files, and the name in the fleet. */
const sharedKeys = ["pools", "routes", "defaults", "networks", "trustedProxies", "ambiguousPaths"] as const;

const digests = new WeakMap<Config, string>();

/** Twelve hexadecimal digits. Without secrets: a changed password does not change it. */
export function configurationDigest(config: Config): string {
  const known = digests.get(config);
  if (known !== undefined) return known;
  const file = asRecord(toConfigFile({ config, dashboard: { hostname: "", port: 0 } }));
  const digest = digestOf(JSON.stringify(sharedKeys.map((key) => file[key] ?? null))).slice(0, 12);
  digests.set(config, digest);
  return digest;
}
