/** The extensions of a running balancer, and what happens when one of them fails. */

import { throwLater, toError } from "../lib/bugs.ts";
import type { Clock } from "../lib/clock.ts";
import { extensionFailures } from "../lib/extension-failures.ts";
import { asRecord } from "../lib/json.ts";
import { type Random, randomIndex } from "../lib/random.ts";
import type { Policy } from "../pool/selection.ts";
import type { FilterVerdict, ForeseenVerdict, RequestFilter } from "../proxy/filter.ts";
import type { LocalReply } from "../proxy/refusal.ts";
import type { Alert, AlertFormat, AlertFormatContext, AlertMessage } from "./alert-format.ts";
import type { ExtensionConfig, ExtensionPolicy } from "./api.ts";

/** What a pool needs of a policy, built in or not. */
export interface PolicySource {
  readonly create: (options: { readonly random: Random; readonly clock: Clock }) => Policy;
  readonly keyed?: boolean;
}

export class Extensions {
  readonly #config: ExtensionConfig;

  constructor(config: ExtensionConfig = {}) {
    this.#config = config;
  }

  get filterNames(): readonly string[] {
    return Object.keys(this.#config.filters ?? {});
  }

  get policyNames(): readonly string[] {
    return Object.keys(this.#config.policies ?? {});
  }

  get alertFormatNames(): readonly string[] {
    return Object.keys(this.#config.alertFormats ?? {});
  }

  /** Why a filter does not accept its settings; undefined if it does, or if there is no such filter. */
  filterProblem(name: string, settings: unknown): string | undefined {
    const create = ownValue(this.#config.filters, name);
    try {
      const filter: unknown = create?.(settings);
      if (!create || isFilter(filter)) return undefined;
      return "the extension returned no filter: expected an object with the method admit";
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  /** @throws if there is no such filter, or it does not accept the settings: `check` says so before */
  createFilter(name: string, settings: unknown): RequestFilter {
    const create = ownValue(this.#config.filters, name);
    if (!create) throw new Error(`Cannot use the filter ${name}: no extension has it`);
    return guardedFilter(name, create(settings));
  }

  /** @returns undefined if there is no such policy */
  policy(name: string): PolicySource | undefined {
    const policy = ownValue(this.#config.policies, name);
    return policy && { create: (options) => guardedPolicy(name, policy, options), ...keyed(policy) };
  }

  /** @returns undefined if there is no such format; the function returns undefined where the format fails */
  alertFormat(
    name: string,
  ): ((alert: Alert, context: AlertFormatContext) => AlertMessage | undefined) | undefined {
    const format = ownValue(this.#config.alertFormats, name);
    return format && ((alert, context) => guardedMessage(name, format, { alert, context }));
  }
}

/** What a file of extensions exported, or why it is not usable. */
export function extensionsIn(module: unknown): Extensions | { readonly why: string } {
  const isModule = typeof module === "object" && module !== null && "default" in module;
  const config: unknown = isModule ? module.default : undefined;
  if (typeof config !== "object" || config === null)
    return { why: "expected a default export: export default defineConfig({ … })" };
  for (const kind of Object.keys(config))
    if (kind !== "filters" && kind !== "policies" && kind !== "alertFormats")
      return { why: `it defines ${JSON.stringify(kind)}; expected filters, policies or alertFormats` };
  const { filters = {}, policies = {}, alertFormats = {} } = config as ExtensionConfig;
  for (const [name, create] of Object.entries(filters))
    if (typeof create !== "function") return { why: `its filter ${name} is not a function` };
  for (const [name, policy] of Object.entries(policies))
    if (typeof (policy as Partial<ExtensionPolicy>)?.create !== "function")
      return { why: `its policy ${name} has no function create` };
  for (const [name, format] of Object.entries(alertFormats))
    if (typeof format !== "function") return { why: `its alert format ${name} is not a function` };
  return new Extensions(config as ExtensionConfig);
}

function ownValue<Value>(map: Readonly<Record<string, Value>> | undefined, key: string): Value | undefined {
  return map && Object.hasOwn(map, key) ? map[key] : undefined;
}

function keyed({ keyed: isKeyed }: ExtensionPolicy): { readonly keyed?: true } {
  return isKeyed ? { keyed: true } : {};
}

function isFilter(value: unknown): value is Omit<RequestFilter, "name"> {
  return typeof value === "object" && value !== null && "admit" in value && typeof value.admit === "function";
}

/** An exception fails its request alone, and is counted. So does a verdict that is none: it must not let the request pass. */
function guardedFilter(name: string, filter: Omit<RequestFilter, "name">): RequestFilter {
  const failed = (error: unknown): never => {
    extensionFailures.add(name);
    throw error;
  };
  const checked = (verdict: unknown): FilterVerdict => {
    if (verdict === undefined || isAnswer(verdict)) return verdict;
    throw new Error(`Cannot use what the filter ${name} returned: expected undefined or answer({ … })`);
  };
  const { foresee } = filter;
  return {
    name,
    ...(foresee && { foresee: (request) => foreseenBy(() => foresee.call(filter, request)) }),
    admit(request) {
      try {
        const verdict: unknown = filter.admit(request);
        return isThenable(verdict) ? Promise.resolve(verdict).then(checked).catch(failed) : checked(verdict);
      } catch (error) {
        return failed(error);
      }
    },
  };
}

/** Promises of libraries are not all instances of the runtime's. */
function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof asRecord(value)["then"] === "function";
}

/** What `answer` has made. */
function isAnswer(value: unknown): value is LocalReply {
  const { kind, reason, reply } = asRecord(value);
  return kind === "refusal" && reason === "responded" && typeof reply === "object";
}

/** An exception in a dry run harms no request. */
function foreseenBy(foresee: () => ForeseenVerdict): ForeseenVerdict {
  try {
    return foresee();
  } catch (error) {
    return { verdict: "unknown", why: `the extension failed: ${toError(error).message}` };
  }
}

/** Where the policy throws, or selects what it was not given, a random upstream serves. */
function guardedPolicy(
  name: string,
  source: ExtensionPolicy,
  options: { readonly random: Random; readonly clock: Clock },
): Policy {
  const policy = source.create(options);
  const select = (available: Parameters<Policy["pick"]>[0], pick: () => unknown) => {
    try {
      const picked = pick();
      const upstream = available.find((one) => one === picked);
      if (upstream) return upstream;
      throwLater(new Error(`Cannot use the choice of the policy ${name}: it is none of those available`));
    } catch (error) {
      throwLater(error);
    }
    extensionFailures.add(name);
    return available[randomIndex(options.random, available.length)] ?? fail(name);
  };
  return {
    pick: (available, key) => select(available, () => policy.pick(available, key)),
    ...(policy.peek && {
      peek: (available, key) => select(available, () => policy.peek?.(available, key)),
    }),
  };
}

/** An exception costs an alert its form, and never the alert. */
function guardedMessage(
  name: string,
  format: AlertFormat,
  { alert, context }: { readonly alert: Alert; readonly context: AlertFormatContext },
): AlertMessage | undefined {
  try {
    const message: unknown = format(alert, context);
    if (isMessage(message)) return message;
    throwLater(
      new Error(`Cannot use what the alert format ${name} returned: expected an object with the text body`),
    );
  } catch (error) {
    throwLater(error);
  }
  extensionFailures.add(name);
  return undefined;
}

function isMessage(value: unknown): value is AlertMessage {
  const { body, contentType, headers = {} } = asRecord(value);
  return (
    typeof body === "string" &&
    (contentType === undefined || isFieldValue(contentType)) &&
    typeof headers === "object" &&
    Object.entries(asRecord(headers)).every(
      ([field, text]) => /^[!#$%&'*+.^_`|~\w-]+$/.test(field) && isFieldValue(text),
    )
  );
}

/** Without line breaks, which would begin another field (RFC 9110 section 5.5). */
function isFieldValue(value: unknown): boolean {
  return typeof value === "string" && /^[\t\x20-\x7e]*$/.test(value);
}

function fail(name: string): never {
  throw new Error(`Cannot select an upstream: the policy ${name} was given none`);
}
