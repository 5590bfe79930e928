/** What the dashboard can tell the balancer to do, and how the admin API hears it. */

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
