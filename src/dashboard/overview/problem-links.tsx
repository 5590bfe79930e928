/** Where a problem leads: the page about its subject, its requests, and its time in the charts. */
/** @jsxImportSource @kitajs/html */

import { pageOf } from "../location.ts";
import { anchorOf, attribute } from "../responses.ts";
import { fleetKinds } from "../../problems/fleet-problems.ts";
import type { ProblemKind, ServiceProblem } from "../../problems/problem.ts";

/** Problems of what the page of the configuration shows. */
const configured: ReadonlySet<ProblemKind> = new Set(["reload_refused", "state_not_kept"]);

/** What ended alike explains these better than a list of upstreams. */
const explainedByRequests: ReadonlySet<ProblemKind> = new Set(["pool_errors", "pool_slow", "queue"]);

/** The address of the page that shows most about it. */
export function addressOf({ kind, subject, links }: ServiceProblem): string {
  if (configured.has(kind)) return "/config";
  if (kind === "certificate") return `/certificates#${anchorOf("certificate", subject.certificate ?? "")}`;
  if (fleetKinds.some((each) => each === kind)) return "/fleet";
  if (subject.upstream !== null) return pageOf(subject.upstream);
  if (explainedByRequests.has(kind) && links.requests !== null) return links.requests;
  if (subject.pool !== null) return `#${anchorOf("pool", subject.pool)}`;
  return "/events";
}

/** The routes that have errors or a problem, of its pool if it has one. */
export function problemRoutesAddress({ subject: { pool } }: ServiceProblem): string {
  return `/routes?${new URLSearchParams({ ...(pool === null ? {} : { pool }), show: "problems" })}`;
}

export function LinksOfProblem({ problem }: { readonly problem: ServiceProblem }): JSX.Element {
  const { requests, history } = problem.links;
  const isSlow = requests?.includes("outcome=slow") ?? false;
  return (
    <span class="problem-links">
      {requests === null ? (
        ""
      ) : (
        <a href={attribute(requests)}>{isSlow ? "Slowest requests" : "Failed requests"}</a>
      )}
      {history === null ? "" : <a href={attribute(history)}>In the charts</a>}
    </span>
  );
}
