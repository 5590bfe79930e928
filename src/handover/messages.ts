/** The messages between the process that hands over its clients and the one that takes over, and what crosses with them. */

import type { PersistedSession } from "../access/sessions.ts";
import type { BalancerEvent } from "../state/event.ts";
import type { Intent } from "../state/intent.ts";
import type { EndedSession, KeptMembers } from "../state/store.ts";

/** Increased when messages change so that two versions misunderstand each other. */
export const handoverProtocol = 1;

/** What the new process needs to know before it takes over. */
export interface PredecessorState {
  readonly protocol: number;
  readonly pid: number;
  readonly version: string;
  /** Number of takeovers since the first process started. */
  readonly generation: number;
  /** Who asked for the upgrade. */
  readonly by: string;
  /** The reason that they gave; may be empty. */
  readonly reason: string;
  readonly intents: readonly Intent[];
  /** The latest events, oldest first. */
  readonly events: readonly BalancerEvent[];
  /** Sessions that have ended, which other balancers may not know yet; missing in states of older versions. */
  readonly endedSessions?: readonly EndedSession[];
  /** Port of the admin API. */
  readonly adminPort: number;
  /** The last answers of sources of members; missing in states of older versions. */
  readonly members?: readonly KeptMembers[];
  /** By purpose; a state in memory cannot be read again. */
  readonly secrets: Readonly<Record<string, string>>;
}

/** The old process has closed the state file, the admin API and the dashboard. */
export interface Release {
  /** All of them, as they are now. */
  readonly intents: readonly Intent[];
  /** Events since {@link PredecessorState}. */
  readonly events: readonly BalancerEvent[];
  readonly sessions: readonly PersistedSession[];
  /** A reload was ordered while the new process started. */
  readonly reload: boolean;
}

export type ToSuccessor =
  ({ readonly kind: "state" } & PredecessorState) | ({ readonly kind: "released" } & Release);

/**
 * ```
 *  hello ──state──▶ probes, adopts the sockets ──ready──▶ released ──▶ opens state and admin API ──serving──▶
 *     └──────────────── failed, or the process exits: the old one goes on ────────────────┘
 * ```
 */
export type FromSuccessor =
  | { readonly kind: "hello" }
  | { readonly kind: "ready" | "serving"; readonly version: string }
  /** @param why a sentence, or several lines of them */
  | { readonly kind: "failed"; readonly why: string };

/** Connects a process to the one that started it. */
export interface PredecessorChannel {
  /** Resolves when the message is on its way, or cannot be sent: also when the other process is gone. */
  send(message: FromSuccessor): Promise<void>;
  /** @param onMessage called with each message @param onClosed called when the other process is gone, or has been before */
  follow(onMessage: (message: ToSuccessor) => void, onClosed: () => void): void;
}

/** The process before, seen from the one that takes over. */
export interface Predecessor {
  readonly state: PredecessorState;
  /**
   * This process could serve. Resolves when the other one has released its files and ports; also when it has died, because
   * then they are free.
   */
  ready(): Promise<Release>;
  /** Whether intents have changed while this process started. */
  hasChanged(released: Release): boolean;
  /** This process serves. */
  serving(): void;
}

const kinds: ReadonlySet<string> = new Set(["hello", "ready", "serving", "failed"]);

/** Longer reasons are cut. */
const maxWhy = 2_000;

/** Undefined for anything else that comes through the channel: the other program may be of another version. */
export function parseFromSuccessor(message: unknown): FromSuccessor | undefined {
  if (typeof message !== "object" || message === null || !("kind" in message)) return undefined;
  const { kind, why, version } = message as { kind: unknown; why?: unknown; version?: unknown };
  if (typeof kind !== "string" || !kinds.has(kind)) return undefined;
  if (kind === "failed") return { kind, why: String(why ?? "").slice(0, maxWhy) };
  if (kind === "ready" || kind === "serving") return { kind, version: String(version ?? "").slice(0, 100) };
  return { kind: "hello" };
}
