/** A short text that is the same for balancers with the same pools and routes. */

import type { Config } from "../config/config.ts";
import { toConfigFile } from "../config/to-file.ts";
import { asRecord } from "../lib/json.ts";
import { digestOf } from "../lib/secrets.ts";

/** What belongs to one machine is left out: listeners, ports, paths of files, and the name in the fleet. */
const sharedKeys = ["pools", "routes", "defaults", "networks", "trustedProxies", "ambiguousPaths"] as const;

const digests = new WeakMap<Config, string>();
const digestsOfParts = new WeakMap<Config, Readonly<Record<string, string>>>();

/** Twelve hexadecimal digits. Without secrets: a changed password does not change it. */
export function configurationDigest(config: Config): string {
  const known = digests.get(config);
  if (known !== undefined) return known;
  const file = sharedFile(config);
  const digest = digestOf(JSON.stringify(sharedKeys.map((key) => file[key] ?? null))).slice(0, 12);
  digests.set(config, digest);
  return digest;
}

/** Eight hexadecimal digits for each part that is not empty, so that one sees in what configurations differ. */
export function configurationParts(config: Config): Readonly<Record<string, string>> {
  const known = digestsOfParts.get(config);
  if (known) return known;
  const file = sharedFile(config);
  const parts = Object.fromEntries(
    sharedKeys.flatMap((key) =>
      file[key] === undefined ? [] : [[key, digestOf(JSON.stringify(file[key])).slice(0, 8)]],
    ),
  );
  digestsOfParts.set(config, parts);
  return parts;
}

function sharedFile(config: Config): Record<string, unknown> {
  return asRecord(toConfigFile({ config, dashboard: { hostname: "", port: 0 } }));
}
