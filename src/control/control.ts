/** The operator's commands and queries on a running balancer: the interface that the admin API uses. */

import type { Cancel } from "../lib/clock.ts";
import type { Mode } from "../pool/upstream.ts";
import type { BalancerEvent } from "../state/event.ts";
import type { Intent } from "../state/intent.ts";
import type { EventQuery } from "./event-log.ts";
import type { RotationReport } from "./certificate-rotation.ts";
import type { Step } from "./step.ts";

/** Who gives a command, and the reason that this person states, which may be empty. */
export interface Actor {
  readonly by: string;
  readonly reason: string;
  /** A precondition, checked right before the command runs so that no other change comes between. An error rejects it. */
  readonly condition?: () => CommandError | undefined;
  /** Who caused the change of an upstream, where one change of the pools follows from orders of several. */
  readonly ofUpstream?: (id: string) => Actor | undefined;
}

/** A rejected command: nothing has changed. */
export interface CommandError {
  readonly kind: "denied";
  /** HTTP status code. */
  readonly status: 404 | 409 | 412 | 422 | 500 | 501;
  /** One word. */
  readonly reason: string;
  readonly message: string;
  /** One sentence per problem, if the input can have several. */
  readonly problems?: readonly string[];
}

export interface DrainOptions {
  /** How long the caller waits for the drain, milliseconds; 0 does not wait. */
  readonly waitMs: number;
  /** Deadline of the drain itself, milliseconds from now; defaults to `waitMs`. */
  readonly deadlineMs?: number;
  /** Aborts the remaining requests when `waitMs` expires. */
  readonly force: boolean;
}

export interface DrainReport {
  /** Nothing is in flight any more. */
  readonly drained: boolean;
  readonly inFlight: number;
  /** Another mode was set during the wait. */
  readonly undone: boolean;
  /** Attempts aborted by force. */
  readonly cut: number;
  /** In a fleet: other balancers that still use the upstream, or may do so, each with the reason. */
  readonly elsewhere?: readonly string[];
}

export interface ReloadOptions {
  /** Reports what would change, and changes nothing. */
  readonly dry: boolean;
  /** A configuration to use instead of the balancer's own file; only for a dry run. */
  readonly file?: { readonly name: string; readonly text: string };
  /** A precondition, see {@link Actor}. */
  readonly condition?: () => CommandError | undefined;
}

export interface ReloadReport {
  readonly applied: boolean;
  /** What changed, or would change in a dry run; empty if the configurations are equivalent. */
  readonly steps: readonly Step[];
  /** Names of changed settings that take effect only after a restart. */
  readonly needsRestart: readonly string[];
  /** What the operator should know about the next configuration, in a dry run. Sentences without a full stop. */
  readonly notes: readonly string[];
}

export interface UpgradeReport {
  /** Another process serves; this one finishes its requests and exits. */
  readonly upgraded: boolean;
  /** Process id of the one that serves. */
  readonly pid: number;
  /** Its version. */
  readonly version: string;
  /** Why no other process took over; empty if one did. */
  readonly why: string;
}

/** Resolves when another process serves, or has failed. */
export type Upgrade = (actor: Actor) => Promise<CommandError | UpgradeReport>;

/** Commands take effect even if the state file cannot be written. Commands that probe or reconcile run one at a time. */
export interface Control {
  setMode(id: string, mode: Mode, actor: Actor): CommandError | undefined;
  /** @param weight 0–256, or null for the configured weight */
  setWeight(id: string, weight: number | null, actor: Actor): Promise<CommandError | undefined>;
  /** Stops new requests to an upstream. Resolves when it is drained, when `waitMs` expires, or when another mode is set. */
  drain(id: string, options: DrainOptions, actor: Actor): Promise<CommandError | DrainReport>;
  /** Resolves with the id when the upstream was probed and added. @param given as in the configuration file */
  add(pool: string, given: unknown, actor: Actor): Promise<CommandError | string>;
  /** Drains the upstream, then removes it. Resolves when it is removed, or at once if `waitMs` is 0. */
  remove(id: string, waitMs: number, actor: Actor): Promise<CommandError | DrainReport>;
  /** Injects a fault for a limited time. @param given see `parseFaultRequest` */
  injectFault(id: string, given: Readonly<Record<string, unknown>>, actor: Actor): CommandError | undefined;
  endFault(id: string, actor: Actor): CommandError | undefined;
  /** @param reason the reason word of the events */
  endFaults(reason: string): void;
  /** Reloads the configuration. It is rejected as a whole if it has any problem, and the current one stays. */
  reload(options: ReloadOptions, by: string): Promise<CommandError | ReloadReport>;
  /** Reads the files of the certificates again. One that cannot be used leaves the present one in place. */
  reloadCertificates(by: string): RotationReport;
  /** Oldest first. */
  events(query: EventQuery): readonly BalancerEvent[];
  /** Calls `onEvent` synchronously after each new event; it must be fast and must not throw. */
  watch(onEvent: () => void): Cancel;
  intents(): readonly Intent[];
  /** In a fleet, resolves when orders are shared, when that has to wait for the store, or after a quarter of a second. */
  shared(): Promise<void>;
  /** In a fleet: true if all orders about an upstream are shared; else why not yet. */
  sharedNote(upstream: string): true | string | undefined;
  /** The pools that differ from the configuration file, as YAML for that file. */
  exportYaml(): string;
}

export function commandError(status: CommandError["status"], reason: string, message: string): CommandError {
  return { kind: "denied", status, reason, message };
}

export function isCommandError(response: unknown): response is CommandError {
  return (
    typeof response === "object" && response !== null && "kind" in response && response.kind === "denied"
  );
}
