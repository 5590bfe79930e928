/** What the dashboard can tell the balancer to do, and how the admin API hears it. */

import type { ActionForm } from "./action-form.ts";
import { formatDuration } from "../../lib/units.ts";
import type { Mode } from "../../pool/upstream.ts";

interface ToUpstream {
  readonly id: string;
  /** In the operator's words; may be empty. */
  readonly reason: string;
}

export type DashboardCommand =
  | ({ readonly to: "mode"; readonly mode: Mode } & ToUpstream)
  /** @param deadlineMs by when it should be empty, from now on; 0 names no time */
  | ({ readonly to: "drain"; readonly deadlineMs: number } & ToUpstream)
  | ({ readonly to: "cut" } & ToUpstream)
  /** @param weight null for the configured one */
  | ({ readonly to: "weight"; readonly weight: number | null } & ToUpstream)
  | ({ readonly to: "remove" } & ToUpstream)
  | ({ readonly to: "rehearse"; readonly fault: FaultInput } & ToUpstream)
  | ({ readonly to: "endRehearsal" } & ToUpstream)
  | { readonly to: "add"; readonly pool: string; readonly given: NewUpstreamInput; readonly reason: string };

/** As a form has it: the admin API says what is wrong with it. */
export interface FaultInput {
  readonly latencyMs: unknown;
  readonly errorShare: unknown;
  readonly error: unknown;
  readonly seconds: unknown;
  readonly probes: boolean;
}

/** As the configuration file would have it. */
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

export function requestOf(order: DashboardCommand): OrderRequest {
  const { reason } = order;
  if (order.to === "add") {
    const path = `api/pools/${encodeURIComponent(order.pool)}/upstreams`;
    return { method: "POST", path, body: { ...order.given, reason } };
  }
  const path = `api/upstreams/${encodeURIComponent(order.id)}`;
  switch (order.to) {
    case "mode":
      return { method: "POST", path: `${path}/mode`, body: { mode: order.mode, reason } };
    case "drain": {
      const deadline = order.deadlineMs > 0 ? `?deadline=${formatDuration(order.deadlineMs)}` : "";
      return { method: "POST", path: `${path}/drain${deadline}`, body: { reason } };
    }
    case "cut":
      return { method: "POST", path: `${path}/drain?force=1`, body: { reason } };
    case "weight":
      return { method: "PATCH", path, body: { weight: order.weight, reason } };
    case "rehearse":
      return { method: "PUT", path: `${path}/rehearsal`, body: { ...order.fault, reason } };
    case "endRehearsal":
      return { method: "DELETE", path: `${path}/rehearsal`, body: { reason } };
    case "remove":
      return { method: "DELETE", path, body: { reason } };
  }
}

// How acts are called: on their buttons, over their confirmations, and when they are done.

interface CommandText {
  /** On a button. */
  readonly verb: string;
  /** Over a confirmation and on its button. */
  readonly order: (names: string) => string;
  /** "api-2 is draining", "3 upstreams are draining" */
  readonly done: (names: string, isOne: boolean) => string;
}

const weightText = (weight: ActionForm["weight"]) =>
  typeof weight === "number" ? `weight ${weight}` : "the configured weight";

const commandTexts = {
  ready: {
    verb: "Ready",
    order: (names) => `Make ${names} ready`,
    done: (names, isOne) => `${names} ${isOne ? "is" : "are"} ready`,
  },
  drain: {
    verb: "Drain",
    order: (names) => `Drain ${names}`,
    done: (names, isOne) => `${names} ${isOne ? "is" : "are"} draining`,
  },
  maintenance: {
    verb: "Maintenance",
    order: (names) => `Put ${names} in maintenance`,
    done: (names, isOne) => `${names} ${isOne ? "is" : "are"} in maintenance`,
  },
  weight: {
    verb: "Weight",
    order: (names) => `Set the weight of ${names}`,
    done: (names, isOne) => `${names} ${isOne ? "has" : "have"}`,
  },
  remove: {
    verb: "Remove",
    order: (names) => `Remove ${names}`,
    done: (names, isOne) => `${names} ${isOne ? "leaves" : "leave"}`,
  },
  cut: {
    verb: "Cut what is left",
    order: (names) => `Cut what is left on ${names}`,
    done: (names) => `What was left on ${names} is cut`,
  },
} as const satisfies Readonly<Record<ActionForm["action"], CommandText>>;

export function verbOf(action: ActionForm["action"]): string {
  return commandTexts[action].verb;
}

export function commandText({ action, ids }: Pick<ActionForm, "action" | "ids">): string {
  return commandTexts[action].order(namesOf(ids));
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
