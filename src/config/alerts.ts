/** The setting `alerts`: who is sent the problems of the list, which of them, and in what form. */

import { type Static, Type } from "@sinclair/typebox";

import { isLoopback } from "../net/address.ts";
import { ownProblemKinds, type ProblemKind, type ProblemLevel, problemLevels } from "../problems/problem.ts";
import { withoutBrackets } from "./network.ts";
import { choice, file, optional, textSetting } from "./schema-kit.ts";

/** `slack` also fits servers that take the same webhooks, such as Mattermost. */
export const alertFormats = ["json", "slack", "pagerduty"] as const;

export type AlertFormatName = (typeof alertFormats)[number] | `extension:${string}`;

const extensionPrefix = "extension:";

/** The name that an extension gives its format; undefined for a format that is built in. */
export function extensionFormatIn(format: string): string | undefined {
  return format.startsWith(extensionPrefix) ? format.slice(extensionPrefix.length) : undefined;
}

/** One receiver. Neither the secret nor an address that is a secret is ever shown or logged. */
export interface AlertReceiverConfig {
  readonly name: string;
  readonly format: AlertFormatName;
  readonly url: string;
  /** The address came out of the secret file. */
  readonly isUrlSecret: boolean;
  /** Undefined for all kinds. */
  readonly kinds?: readonly ProblemKind[];
  /** The least severe level that it gets. */
  readonly level: ProblemLevel;
  /** Undefined for all pools, and what belongs to none. */
  readonly pools?: readonly string[];
  readonly secretFile?: string;
  /** Key of the signature, routing key, or what a format of an extension needs. */
  readonly secret?: string;
  /** PEM file and text of the authorities of its certificate, instead of the system's. */
  readonly ca?: { readonly path: string; readonly text: string };
}

/** Each has a queue and a connection of its own: more are a job for one service behind them. */
export const maxReceivers = 16;

const maxPools = 64;

/** Where PagerDuty takes events of its version 2. */
export const pagerDutyUrl = "https://events.pagerduty.com/v2/enqueue";

export const defaultAlertLevel: ProblemLevel = "warning";

const receiver = optional(
  {
    name: textSetting(
      "^[!-~\\u00a1-\\uffff]([ -~\\u00a1-\\uffff]{0,62}[!-~\\u00a1-\\uffff])?$",
      "a name of at most 64 characters",
      "Name in the dashboard, the API, metrics and commands. Default: the format, or the host of the URL.",
    ),
    url: Type.String({
      maxLength: 2_048,
      description:
        "Where alerts are sent, by POST. Not for slack: its URL is a secret, and belongs into the secretFile.",
      errorMessage: "a URL such as https://ops.example.com/hook",
    }),
    format: Type.Unsafe<AlertFormatName>(
      Type.String({
        pattern: `^(${alertFormats.join("|")}|extension:[A-Za-z]\\w{0,62})$`,
        description:
          "json: the problem as in the API, signed; slack: a message for an incoming webhook; pagerduty: an event of version 2; extension:NAME: a format of your own.",
        errorMessage: `one of ${alertFormats.join(", ")}, or extension:NAME`,
      }),
    ),
    kinds: Type.Array(choice<ProblemKind>(ownProblemKinds, "A kind of problem, see docs/problems.md."), {
      minItems: 1,
      uniqueItems: true,
      description: "Kinds of problems that are sent; by default all.",
      errorMessage: "a list of kinds of problems, each once",
    }),
    level: choice<ProblemLevel>(
      problemLevels,
      "critical: only what clients notice; warning: also the rest that is wrong; notice: also what is coming up.",
    ),
    pools: Type.Array(textSetting("^[A-Za-z][\\w.-]{0,62}$", "the name of a pool", "A pool."), {
      minItems: 1,
      maxItems: maxPools,
      uniqueItems: true,
      description: "Only problems of these pools and their upstreams; by default all, and those of no pool.",
      errorMessage: `a list of 1 to ${maxPools} pools, each once`,
    }),
    secretFile: file(
      "a path",
      "File with one line. json: the key that signs, of at least 32 bytes; slack: the URL of the webhook; pagerduty: the routing key.",
    ),
    ca: file("the path of a PEM file", "Authorities of its certificate, instead of the system's."),
  },
  "A receiver of alerts.",
);

export const alertsSchema = Type.Array(receiver, {
  maxItems: maxReceivers,
  description: "Receivers of what the list of problems opens and closes. Applied by a reload.",
  errorMessage: `a list of at most ${maxReceivers} receivers`,
});

export type AlertReceiverFile = Static<typeof receiver>;

/** By path. */
export interface AlertTexts {
  /** The one line of each secret file. */
  readonly secrets: ReadonlyMap<string, string>;
  readonly authorities: ReadonlyMap<string, string>;
}

/** What a receiver is called that has no name. */
export function defaultReceiverName({ format = "json", url }: AlertReceiverFile): string {
  if (format === "slack" || format === "pagerduty") return format;
  return url !== undefined && URL.canParse(url) ? new URL(url).host : format;
}

/**
 * @param given valid
 * @param sharedSecret signs where a receiver of generic JSON has no secret of its own
 */
export function alertReceiversOf(
  given: readonly AlertReceiverFile[] = [],
  { secrets, authorities }: AlertTexts,
  sharedSecret: string | undefined,
): readonly AlertReceiverConfig[] {
  return given.map((entry) => {
    const { format = "json", kinds, level = defaultAlertLevel, pools, secretFile, ca: caPath } = entry;
    const own = secretFile === undefined ? undefined : secrets.get(secretFile);
    const isUrlSecret = format === "slack";
    const secret = isUrlSecret ? undefined : (own ?? (format === "pagerduty" ? undefined : sharedSecret));
    const url = isUrlSecret ? own : (entry.url ?? (format === "pagerduty" ? pagerDutyUrl : undefined));
    return {
      ...{ name: entry.name ?? defaultReceiverName(entry), format, url: url ?? "", isUrlSecret, level },
      ...(kinds && { kinds }),
      ...(pools && { pools }),
      ...(secretFile !== undefined && { secretFile }),
      ...(secret !== undefined && { secret }),
      ...(caPath !== undefined && { ca: { path: caPath, text: authorities.get(caPath) ?? "" } }),
    };
  });
}

/** As in a configuration file, without secrets. */
export function alertsFileOf(receivers: readonly AlertReceiverConfig[]): object {
  return receivers.map(({ name, format, url, isUrlSecret, kinds, level, pools, secretFile, ca }) => ({
    ...{ name, format },
    ...(!isUrlSecret && { url }),
    ...(kinds && { kinds }),
    level,
    ...(pools && { pools }),
    ...(secretFile !== undefined && { secretFile }),
    ...(ca && { ca: ca.path }),
  }));
}

/** Where it is, without what may be a secret: "ops.example.com/hook", "hooks.slack.com/…". */
export function shownAddress({ url, isUrlSecret }: Pick<AlertReceiverConfig, "url" | "isUrlSecret">): string {
  if (!URL.canParse(url)) return "";
  const { host, pathname } = new URL(url);
  return isUrlSecret ? `${host}/…` : `${host}${pathname === "/" ? "" : pathname}`;
}

/** By "alerts[0].secret": what a reload has to compare. */
export function alertSecretsOf(receivers: readonly AlertReceiverConfig[]): Readonly<Record<string, string>> {
  const entries = receivers.flatMap(({ secret, url, isUrlSecret, ca }, index) => [
    ...(secret !== undefined || isUrlSecret ? [[`alerts[${index}].secret`, secret ?? url] as const] : []),
    ...(ca ? [[`alerts[${index}].authorities`, ca.text] as const] : []),
  ]);
  return Object.fromEntries(entries);
}

export function alertWarnings({
  alerts,
}: {
  readonly alerts: readonly AlertReceiverConfig[];
}): readonly string[] {
  return alerts.flatMap(({ name, url }) => {
    if (!url.startsWith("http:")) return [];
    const { hostname } = new URL(url);
    return isLoopback(withoutBrackets(hostname))
      ? []
      : [`alerts ${name}: its URL is http, so that others on the way can read and answer alerts; use https`];
  });
}
