/** The commands that the dashboard sends: their admin API requests and their labels. */

import type { ActionForm } from "./action-form.ts";
import { formatDuration } from "../../lib/units.ts";
import type { Mode } from "../../pool/upstream.ts";

interface UpstreamTarget {
  readonly id: string;
  /** Free text of the operator; may be empty. */
  readonly reason: string;
}

export type DashboardCommand =
  | ({ readonly to: "mode"; readonly mode: Mode } & UpstreamTarget)
  /** @param deadlineMs time from now until it should be drained; 0 for no deadline */
  | ({ readonly to: "drain"; readonly deadlineMs: number } & UpstreamTarget)
  | ({ readonly to: "cut" } & UpstreamTarget)
  /** @param weight null for the configured weight */
  | ({ readonly to: "weight"; readonly weight: number | null } & UpstreamTarget)
  | ({ readonly to: "remove" } & UpstreamTarget)
  | ({ readonly to: "rehearse"; readonly fault: FaultInput } & UpstreamTarget)
  | ({ readonly to: "endRehearsal" } & UpstreamTarget)
  | { readonly to: "dismiss"; readonly problem: string; readonly reason: string }
  | { readonly to: "add"; readonly pool: string; readonly given: NewUpstreamInput; readonly reason: string };

/** Raw form values; the admin API validates them. */
export interface FaultInput {
  readonly latencyMs: unknown;
  readonly errorShare: unknown;
  readonly error: unknown;
  readonly seconds: unknown;
  readonly probes: boolean;
}

/** An upstream in the shape of the configuration file. */
export interface NewUpstreamInput {
  readonly url: string;
  readonly name?: string;
  readonly weight?: number;
  readonly backup?: boolean;
}

export interface OrderRequest {
  readonly method: "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly body?: object;
}

export function requestFor(command: DashboardCommand): OrderRequest {
  const { reason } = command;
  if (command.to === "add") {
    const path = `api/pools/${encodeURIComponent(command.pool)}/upstreams`;
    return { method: "POST", path, body: { ...command.given, reason } };
  }
  if (command.to === "dismiss")
    return {
      method: "POST",
      path: `api/problems/${encodeURIComponent(command.problem)}/dismiss`,
      body: { reason },
    };
  const path = `api/upstreams/${encodeURIComponent(command.id)}`;
  switch (command.to) {
    case "mode":
      return { method: "POST", path: `${path}/mode`, body: { mode: command.mode, reason } };
    case "drain": {
      const deadline = command.deadlineMs > 0 ? `?deadline=${formatDuration(command.deadlineMs)}` : "";
      return { method: "POST", path: `${path}/drain${deadline}`, body: { reason } };
    }
    case "cut":
      return { method: "POST", path: `${path}/drain?force=1`, body: { reason } };
    case "weight":
      return { method: "PATCH", path, body: { weight: command.weight, reason } };
    case "rehearse":
      return { method: "PUT", path: `${path}/rehearsal`, body: { ...command.fault, reason } };
    case "endRehearsal":
      return { method: "DELETE", path: `${path}/rehearsal`, body: { reason } };
    case "remove":
      return { method: "DELETE", path, body: { reason } };
  }
}

/** How one action is labelled at each step: the same verb throughout. */
interface CommandText {
  /** Label of the button that leads to the confirmation. */
  readonly verb: string;
  /** Heading of the confirmation and label of its button. */
  readonly title: (names: string) => string;
  /** Result, without a full stop: "api-2 is draining", "3 upstreams are draining". */
  readonly done: (names: string, isOne: boolean) => string;
}

const weightText = (weight: ActionForm["weight"]) =>
  typeof weight === "number" ? String(weight) : "the configured value";

const commandTexts = {
  ready: {
    verb: "Ready",
    title: (names) => `Make ${names} ready`,
    done: (names, isOne) => `${names} ${isOne ? "is" : "are"} ready`,
  },
  drain: {
    verb: "Drain",
    title: (names) => `Drain ${names}`,
    done: (names, isOne) => `${names} ${isOne ? "is" : "are"} draining`,
  },
  maintenance: {
    verb: "Maintenance",
    title: (names) => `Put ${names} in maintenance`,
    done: (names, isOne) => `${names} ${isOne ? "is" : "are"} in maintenance`,
  },
  weight: {
    verb: "Set weight",
    title: (names) => `Set weight of ${names}`,
    done: (names) => `Weight of ${names} set to`,
  },
  remove: {
    verb: "Remove",
    title: (names) => `Remove ${names}`,
    done: (names, isOne) => `${names} ${isOne ? "is" : "are"} being removed`,
  },
  cut: {
    verb: "Abort remaining requests",
    title: (names) => `Abort remaining requests on ${names}`,
    done: (names) => `Remaining requests on ${names} aborted`,
  },
} as const satisfies Readonly<Record<ActionForm["action"], CommandText>>;

export function verbOf(action: ActionForm["action"]): string {
  return commandTexts[action].verb;
}

export function commandText({ action, ids }: Pick<ActionForm, "action" | "ids">): string {
  return commandTexts[action].title(namesOf(ids));
}

export function doneText(
  { action, weight }: Pick<ActionForm, "action" | "weight">,
  ids: readonly string[],
): string {
  const done = commandTexts[action].done(namesOf(ids), ids.length === 1);
  return action === "weight" ? `${done} ${weightText(weight)}` : done;
}

/** "api-2", "3 upstreams" */
export function namesOf(ids: readonly string[]): string {
  return ids.length === 1 ? (ids[0] ?? "") : `${ids.length} upstreams`;
}
