/** Keys of problems: the same at all balancers of a fleet that see the same, where each has an id of its own. */

import type { ProblemKind, ProblemSubject, ServiceProblem } from "./problem.ts";

/** Problems of one balancer: another one that has the same has another problem. */
const ownKinds: ReadonlySet<ProblemKind> = new Set([
  ...(["balancer_gone", "fleet_alone", "shedding", "exhaustion", "state_not_kept"] as const),
  ...(["reload_refused", "upgrade_failed", "log_lost", "alert_lost"] as const),
]);

/** Whether other balancers may have the same problem. */
export function isSharedKind(kind: ProblemKind): boolean {
  return !ownKinds.has(kind);
}

export function isSharedKey(key: string): boolean {
  return key.endsWith("\n");
}

/** Kind and subject. Names have no line feeds. */
export function problemKey({ kind, subject }: Pick<ServiceProblem, "kind" | "subject">): string {
  const { balancer, pool, upstream, certificate, peer, address } = subject;
  const owner = isSharedKind(kind) ? null : balancer;
  return [kind, pool, upstream, certificate, peer, address, owner].map((part) => part ?? "").join("\n");
}

/** Keys of the problems that were taken in. */
export function partKeys({ subject, parts }: Pick<ServiceProblem, "subject" | "parts">): readonly string[] {
  return parts.map(({ kind, upstream }) =>
    problemKey({ kind, subject: { ...subject, upstream, certificate: null, peer: null, address: null } }),
  );
}

/** What a key says. */
export function readProblemKey(key: string): {
  readonly kind: ProblemKind;
  readonly subject: Omit<ProblemSubject, "balancer">;
} {
  const [kind = "", ...parts] = key.split("\n");
  const [pool = null, upstream = null, certificate = null, peer = null, address = null] = parts.map(
    (part) => part || null,
  );
  // One of another version is passed on as it is.
  return { kind: kind as ProblemKind, subject: { pool, upstream, certificate, peer, address } };
}
