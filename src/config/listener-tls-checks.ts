/** Short forms and checks of the TLS settings of listeners. */

import { acmeHostsIn } from "./acme.ts";
import type { Certificates } from "./certificates.ts";
import { isCovered } from "./certificates.ts";
import { listenerPathsIn } from "./listener-checks.ts";
import { closestWord, type Path, type Problem } from "./problem.ts";
import { type ConfigSources, entriesOf, valueAt } from "./sources.ts";

/** A copy of an unchecked configuration in which `tls: true` is an empty map, and minVersion is a text. */
export function expandListeners(value: unknown): unknown {
  const listen = valueAt(value, ["listen"]);
  if (typeof listen !== "object" || listen === null) return value;
  const expanded = Array.isArray(listen) ? listen.map(expandListener) : expandListener(listen);
  return { ...(value as object), listen: expanded };
}

function expandListener(listener: unknown): unknown {
  const tls = valueAt(listener, ["tls"]);
  if (tls === true) return { ...(listener as object), tls: {} };
  const version = valueAt(tls, ["minVersion"]);
  // 1.2 without quotes is a number in YAML.
  if (typeof version !== "number") return listener;
  return { ...(listener as object), tls: { ...(tls as object), minVersion: version.toFixed(1) } };
}

/** Reports listeners that no certificate is for, and settings that the engine or the certificates cannot fulfil. */
export function uncertifiedListeners(
  sources: ConfigSources,
  { found, problems }: Certificates,
): readonly Problem[] {
  const hasEntries = entriesOf(valueAt(sources.value, ["certificates"])).length > 0;
  const isFetch = valueAt(sources.value, ["engine"]) === "fetch";
  return listenerPathsIn(sources.value).flatMap((listener) => {
    const at = [...listener, "tls"];
    const tls = valueAt(sources.value, at);
    if (typeof tls !== "object" || tls === null) return [];
    const value = Object.keys(tls).length === 0 ? true : tls;
    const hasOwn = ["cert", "key"].some((key) => valueAt(tls, [key]) !== undefined);
    const lacksAll = !hasOwn && !hasEntries;
    const why = "there is no certificate for it; set certificates, or tls.cert and tls.key";
    return [
      ...(lacksAll ? [sources.problemOf({ path: at, why, value })] : []),
      // Names are only known if every file can be read.
      ...(lacksAll || problems.length > 0 ? [] : unknownDefault(sources, at, found)),
      ...(isFetch ? unservedSettings(sources, at) : []),
    ];
  });
}

function unknownDefault(sources: ConfigSources, at: Path, found: Certificates["found"]): readonly Problem[] {
  const path = [...at, "defaultCertificate"];
  const name = valueAt(sources.value, path);
  const certified = [...found, { names: acmeHostsIn(sources.value) }];
  if (typeof name !== "string" || isCovered(name, certified)) return [];
  const suggestion = closestWord(name, [...new Set(certified.flatMap(({ names }) => names))]);
  return [sources.problemOf({ path, why: "no certificate covers it", value: name, suggestion })];
}

/** The servers of the runtimes neither refuse names nor show the certificate of a client. */
function unservedSettings(sources: ConfigSources, at: Path): readonly Problem[] {
  return ["strictSni", "clientCertificates"].flatMap((key) => {
    const path = [...at, key];
    const value = valueAt(sources.value, path);
    if (value === undefined || value === "auto" || value === false) return [];
    return [
      sources.problemOf({ path, why: "the fetch engine does not support it; use the wire engine", value }),
    ];
  });
}
