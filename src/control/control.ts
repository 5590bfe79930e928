/** What the operator can do while the balancer runs, as the admin side sees it: questions, orders and their answers. */

import type { Cancel } from "../lib/clock.ts";
import type { Mode } from "../pool/upstream.ts";
import type { BalancerEvent } from "../state/event.ts";
import type { Intent } from "../state/intent.ts";
import type { EventQuery } from "./event-log.ts";
import type { Step } from "./plan.ts";

/** Who gives an order, and why, in that person's words; `why` may be empty. */
export interface Actor {
  readonly by: string;
  readonly reason: string;
  /** Asked when it is the order's turn, so that nothing can come in between: what it gives is the answer. */
  readonly condition?: () => CommandError | undefined;
}

/** An order that was not carried out: nothing has changed. */
export interface CommandError {
  readonly kind: "denied";
  /** As HTTP means it. */
  readonly status: 404 | 409 | 412 | 422 | 500 | 501;
  /** One word. */
  readonly reason: string;
  readonly message: string;
  /** A sentence each, where several things are wrong. */
  readonly problems?: readonly string[];
}

export interface DrainOptions {
  /** How long to wait until it is empty, in milliseconds; 0 does not wait. */
  readonly waitMs: number;
  /** By when it should be empty, in milliseconds from now, without anybody waiting; by default as long as is waited. */
  readonly deadlineMs?: number;
  /** Cuts what is left when the time is up. */
  readonly force: boolean;
}

export interface DrainReport {
  /** Nothing is under way there any more. */
  readonly drained: boolean;
  readonly inFlight: number;
  /** Somebody set another mode while this waited. */
  readonly undone: boolean;
  /** How many were cut by force. */
  readonly cut: number;
}

export interface ReloadOptions {
  /** Only says what would change. */
  readonly dry: boolean;
  /** A configuration file to look at instead of the balancer's own; only for a dry run. */
  readonly file?: { readonly name: string; readonly text: string };
  /** As with {@link Actor}: asked when it is the order's turn. */
  readonly condition?: () => CommandError | undefined;
}

export interface ReloadReport {
  readonly applied: boolean;
  /** What changes, or would; empty if the configuration says what it said before. */
  readonly steps: readonly Step[];
  /** Names of the settings that a restart has to bring. */
  readonly needsRestart: readonly string[];
}

/** Orders are carried out one after the other, and each is written down if it can be. */
export interface Control {
  setMode(id: string, mode: Mode, actor: Actor): CommandError | undefined;
  /** @param weight 0–256, or null for the configured one */
  setWeight(id: string, weight: number | null, actor: Actor): Promise<CommandError | undefined>;
  /** Gives it nothing new; resolves when it is empty, when the time is up, or when it is undone by another mode. */
  drain(id: string, order: DrainOptions, actor: Actor): Promise<CommandError | DrainReport>;
  /** Resolves with the id when the upstream was probed and belongs to the pool. */
  add(pool: string, given: unknown, actor: Actor): Promise<CommandError | string>;
  /** Drains it first; resolves when it is gone, or at once if there is nothing to wait for. */
  remove(id: string, waitMs: number, actor: Actor): Promise<CommandError | DrainReport>;
  /** Plays a fault there for a while. @param given see `readRehearsal` */
  injectFault(id: string, given: Readonly<Record<string, unknown>>, actor: Actor): CommandError | undefined;
  endFault(id: string, actor: Actor): CommandError | undefined;
  /** @param reason one word */
  endFaults(reason: string): void;
  /** Takes the configuration anew. Refused as a whole if anything is wrong with it: the old one goes on. */
  reload(order: ReloadOptions, by: string): Promise<CommandError | ReloadReport>;
  /** Oldest first. */
  events(query: EventQuery): readonly BalancerEvent[];
  /** Says each time that there is a further event, at once: what is told must not throw, nor take long. */
  watch(onEvent: () => void): Cancel;
  intents(): readonly Intent[];
  /** The pools that differ from the configuration, as a configuration file. */
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
