/** The environment of worker processes and demo servers: what a process needs to run, and none of the operator's secrets. */

import { parentVariable } from "./parent.ts";

type Variables = Readonly<Record<string, string | undefined>>;

const needed = new Set(
  [
    ["PATH", "HOME", "USER", "LOGNAME", "HOSTNAME", "PWD", "SHELL", "TERM", "COLORTERM", "NO_COLOR"],
    ["LANG", "LANGUAGE", "TZ", "TZDIR", "TMPDIR", "TMP", "TEMP"],
    ["SSL_CERT_FILE", "SSL_CERT_DIR", "RES_OPTIONS", "LOCALDOMAIN", "HOSTALIASES"],
    ["SYSTEMROOT", "WINDIR", "COMSPEC", "PATHEXT", "USERPROFILE", "APPDATA", "LOCALAPPDATA"],
  ].flat(),
);

/** Settings of the runtimes, of the system's libraries, and of locales. */
const neededFamily = /^(BUN|DENO|NODE|JSC|UV|LC|LD|DYLD|XDG|MALLOC|GLIBC)_/;

/** For the exporter of traces: OpenTelemetry's variables, with the headers that log in to a collector, and proxies. */
const forTraces = /^OTEL_|^(HTTPS?|ALL|NO)_PROXY$/;

/** Registries and package managers keep these among the variables of a runtime, as in DENO_AUTH_TOKENS. */
const secret = /TOKEN|AUTH|SECRET|PASSW|CREDENTIAL|KEY/;

/** @param traces whether the child exports spans */
export function childEnvironmentOf(variables: Variables, traces: boolean): Variables {
  const kept = Object.entries(variables).filter(([variable]) => {
    const name = variable.toUpperCase();
    if (forTraces.test(name)) return traces;
    return (needed.has(name) || neededFamily.test(name)) && !secret.test(name);
  });
  return { ...Object.fromEntries(kept), ...parentVariable() };
}
