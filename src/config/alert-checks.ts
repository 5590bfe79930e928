/** Reads the files that receivers of alerts name, and checks what a schema cannot: addresses, secrets, names, pools and formats. */

import { unusualHostOf } from "../net/own-addresses.ts";
import {
  type AlertReceiverFile,
  type AlertTexts,
  alertFormats,
  defaultReceiverName,
  extensionFormatIn,
} from "./alerts.ts";
import { originProblem, withoutBrackets } from "./network.ts";
import { closestWord, type Path, type Problem } from "./problem.ts";
import { type ConfigSources, entriesOf, valueAt } from "./sources.ts";
import { readReferencedFile, type ReadText } from "./yaml-file.ts";

/** A shorter key could be guessed from a signature. */
const minKeyBytes = 32;

const maxSecretBytes = 4_096;

/** The only secret that is not in a file. */
const sharedSecretPath: Path = ["alertSecret"];

interface FoundReceiver {
  readonly path: Path;
  readonly value: unknown;
  /** As in the file; undefined where it is no text. */
  readonly textOf: (key: keyof AlertReceiverFile) => string | undefined;
  readonly format: string;
}

function receiversIn({ value }: Pick<ConfigSources, "value">): readonly FoundReceiver[] {
  return entriesOf(valueAt(value, ["alerts"])).flatMap(([index, inside]) => {
    if (typeof inside !== "object" || inside === null || !/^\d+$/.test(index)) return [];
    const textOf = (key: keyof AlertReceiverFile) => {
      const text = valueAt(inside, [key]);
      return typeof text === "string" ? text : undefined;
    };
    return [{ path: ["alerts", index], value: inside, textOf, format: textOf("format") ?? "json" }];
  });
}

/** No problem quotes a content. */
export function readAlertFiles(
  sources: ConfigSources,
  read: ReadText,
): AlertTexts & { readonly problems: readonly Problem[] } {
  const [secrets, authorities] = [new Map<string, string>(), new Map<string, string>()];
  const problems: Problem[] = [];
  const readAt = (
    receiver: FoundReceiver,
    key: "secretFile" | "ca",
    why: (text: string) => string | undefined,
  ) => {
    const name = receiver.textOf(key);
    if (name === undefined || name.trim() === "") return undefined;
    const found = readReferencedFile(name, read);
    const problem = "why" in found ? found.why : why(found.text);
    if (problem !== undefined)
      problems.push(sources.problemOf({ path: [...receiver.path, key], why: problem, value: name }));
    return "text" in found && problem === undefined ? { name, text: found.text } : undefined;
  };
  for (const receiver of receiversIn(sources)) {
    const { format } = receiver;
    const allowsLinkLocal = valueAt(sources.value, ["allowLinkLocal"]) === true;
    const secret = readAt(receiver, "secretFile", (text) => contentProblem(text, format, allowsLinkLocal));
    if (secret) secrets.set(secret.name, secret.text.trim());
    const ca = readAt(receiver, "ca", (text) =>
      text.includes("-----BEGIN ") ? undefined : "expected a PEM file",
    );
    if (ca) authorities.set(ca.name, ca.text);
  }
  return { secrets, authorities, problems };
}

function contentProblem(text: string, format: string, allowsLinkLocal: boolean): string | undefined {
  const secret = text.trim();
  if (secret === "" || /[\r\n]/.test(secret)) return "expected one line";
  const bytes = Buffer.byteLength(secret);
  if (bytes > maxSecretBytes) return `expected at most ${maxSecretBytes} bytes`;
  if (format === "slack") {
    const why = urlProblem(secret, allowsLinkLocal);
    return why === undefined ? undefined : `its line is no usable URL of a webhook: ${why}`;
  }
  // Other bytes than text would be read as replacement characters: no receiver could verify a signature.
  if (format === "json" && /[\p{Cc}\ufffd]/u.test(secret))
    return "expected text, such as openssl rand -hex 32 prints";
  // Visible ASCII: it is part of a JSON body, or of a header field.
  if (format === "pagerduty")
    return /^[!-~]{1,255}$/.test(secret) ? undefined : "expected a routing key without spaces";
  return format === "json" && bytes < minKeyBytes ? `expected at least ${minKeyBytes} bytes` : undefined;
}

/** Why nothing can be sent to this URL. */
function urlProblem(text: string, allowsLinkLocal: boolean): string | undefined {
  const [, origin = "", rest = ""] = /^([a-z]+:\/\/[^/?#]*)(.*)$/is.exec(text) ?? [];
  const why = originProblem(origin === "" ? text : origin);
  if (why !== undefined) return why.replace("http://10.0.0.1:8080", "https://ops.example.com/hook");
  if (rest.includes("#")) return "the URL must not have a fragment";
  if (!/^[!-~]*$/.test(rest)) return "the path may have visible ASCII characters only; encode the others";
  const unusual = unusualHostOf(withoutBrackets(new URL(text).hostname));
  if (unusual === "unspecified") return "its host is the address of no server; 127.0.0.1 is this machine";
  if (unusual === "link-local" && !allowsLinkLocal)
    return "its host is link-local, where clouds serve this machine's credentials; allowLinkLocal: true accepts it";
  return undefined;
}

/** @param known names of formats of extensions; undefined while they are not loaded */
export function alertChecks(sources: ConfigSources): readonly Problem[] {
  const allowsLinkLocal = valueAt(sources.value, ["allowLinkLocal"]) === true;
  const hasShared = valueAt(sources.value, sharedSecretPath) !== undefined;
  return [
    ...sharedSecretProblems(sources),
    ...receiversIn(sources).flatMap((receiver) => [
      ...addressProblems(sources, receiver, allowsLinkLocal),
      ...secretProblems(sources, receiver, hasShared),
      ...poolProblems(sources, receiver),
    ]),
    ...repeatedNames(sources),
  ];
}

function sharedSecretProblems(sources: ConfigSources): readonly Problem[] {
  const value = valueAt(sources.value, sharedSecretPath);
  if (value === undefined) return [];
  const why = sources.sourceOf(sharedSecretPath).startsWith("file ")
    ? "a secret is not allowed here; set EVENKEEL_ALERT_SECRET, or secretFile of the receiver"
    : typeof value === "string" && Buffer.byteLength(value) < minKeyBytes
      ? `expected at least ${minKeyBytes} bytes`
      : undefined;
  return why === undefined ? [] : [sources.problemOf({ path: sharedSecretPath, why })];
}

function addressProblems(
  sources: ConfigSources,
  { path, textOf, format }: FoundReceiver,
  allowsLinkLocal: boolean,
): readonly Problem[] {
  const url = textOf("url");
  const at = [...path, "url"];
  if (url === undefined)
    return format === "slack" || format === "pagerduty"
      ? []
      : [
          sources.problemOf({
            path,
            why: "set url, such as https://ops.example.com/hook, to where alerts go",
          }),
        ];
  const moveIt = "write it into a file, and set secretFile to its path instead of url";
  if (format === "slack")
    return [sources.problemOf({ path: at, why: `the URL of a webhook of Slack is a secret; ${moveIt}` })];
  if (/^https?:\/\/[^/?#]*@/i.test(url))
    return [sources.problemOf({ path: at, why: "a user name or password is not allowed" })];
  if (isSlackWebhook(url))
    return [
      sources.problemOf({ path: at, why: `this is a webhook of Slack: set format: slack, and ${moveIt}` }),
    ];
  if (url.includes("?"))
    return [
      sources.problemOf({
        path: at,
        why: "a query is not allowed, because this URL is shown and queries often hold tokens",
      }),
    ];
  const why = urlProblem(url, allowsLinkLocal);
  return why === undefined ? [] : [sources.problemOf({ path: at, why, value: url })];
}

/** In any spelling that a client accepts: the path is the secret, and would be shown. */
function isSlackWebhook(url: string): boolean {
  return URL.canParse(url) && /^hooks\.slack(-gov)?\.com\.?$/.test(new URL(url).hostname);
}

function secretProblems(
  sources: ConfigSources,
  { path, textOf, format }: FoundReceiver,
  hasShared: boolean,
): readonly Problem[] {
  if (textOf("secretFile") !== undefined || !alertFormats.some((known) => known === format)) return [];
  const missing: Readonly<Record<string, string>> = {
    slack: "set secretFile to the path of a file with the URL of the webhook",
    pagerduty: "set secretFile to the path of a file with the routing key",
    json: "set secretFile to the path of a file with a key of at least 32 bytes, or EVENKEEL_ALERT_SECRET: what is sent is signed",
  };
  if (format === "json" && hasShared) return [];
  return [sources.problemOf({ path, why: missing[format] ?? "" })];
}

function poolProblems(sources: ConfigSources, { path, value }: FoundReceiver): readonly Problem[] {
  const known = entriesOf(valueAt(sources.value, ["pools"])).map(([name]) => name);
  return entriesOf(valueAt(value, ["pools"])).flatMap(([index, pool]) => {
    if (typeof pool !== "string" || known.includes(pool)) return [];
    const suggestion = closestWord(pool, known);
    const why =
      suggestion === undefined ? `expected one of ${known.slice(0, 20).join(", ")}` : "no such pool";
    return [sources.problemOf({ path: [...path, "pools", index], why, value: pool, suggestion })];
  });
}

function repeatedNames(sources: ConfigSources): readonly Problem[] {
  const owners = new Map<string, Path>();
  return receiversIn(sources).flatMap(({ path, textOf, value }) => {
    const given = textOf("name");
    const name = given ?? defaultReceiverName(value as AlertReceiverFile);
    const owner = owners.get(name);
    if (!owner) owners.set(name, path);
    if (!owner) return [];
    const why = `${sources.subjectOf(owner)} already has the name ${name}; set another name`;
    return [
      given === undefined
        ? sources.problemOf({ path, why })
        : sources.problemOf({ path: [...path, "name"], why, value: given }),
    ];
  });
}

/** @param known names of the formats that the extensions have */
export function alertFormatProblems(sources: ConfigSources, known: readonly string[]): readonly Problem[] {
  return receiversIn(sources).flatMap(({ path, format }) => {
    const name = extensionFormatIn(format);
    if (name === undefined || known.includes(name)) return [];
    const suggestion = closestWord(name, known);
    const others = known.length > 0 ? `; the extensions have ${known.join(", ")}` : "";
    const why = `no extension has this name${suggestion === undefined ? others : ""}`;
    return [sources.problemOf({ path: [...path, "format"], why, value: name, suggestion })];
  });
}
