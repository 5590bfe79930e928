/**
 * Extensions of the configuration beside it: a filter that asks for a tenant, a policy that keeps to the first zone, and a
 * format of alerts for a system of tickets.
 */

import { type AlertFormat, answer, defineConfig, type Policy } from "evenkeel";

/** What stands behind the filter's name in the configuration. */
interface TenantSettings {
  readonly header: string;
  readonly known: readonly string[];
}

function tenantSettingsOf(settings: unknown): TenantSettings {
  const { header = "X-Tenant", known } = (settings ?? {}) as Partial<TenantSettings>;
  if (!Array.isArray(known) || known.length === 0) throw new Error("expected known: a list of tenants");
  return { header, known };
}

/** Prefers upstreams whose name begins with `a-`, and takes the least loaded of the others when there are none. */
const nearest: Policy = {
  pick(available) {
    const near = available.filter(({ id }) => id.startsWith("a-"));
    const candidates = near.length > 0 ? near : available;
    return candidates.reduce((best, one) => (one.inFlight < best.inFlight ? one : best));
  },
};

/** One ticket for each problem: the system finds it by its reference, and closes it with the problem. */
const tickets: AlertFormat = ({ type, balancer, url, problem }, { secret }) => ({
  body: JSON.stringify({
    reference: `${balancer}-${problem.id}`,
    state: type === "problem.closed" ? "closed" : "open",
    priority: problem.level === "critical" ? 1 : 3,
    summary: problem.title,
    text: [problem.hits.words, problem.cause.words, problem.do.words, url ?? ""].filter(Boolean).join("\n"),
  }),
  headers: { Authorization: `Bearer ${secret}` },
});

export default defineConfig({
  filters: {
    tenant(settings) {
      const { header, known } = tenantSettingsOf(settings);
      const tenants = new Set(known);
      return {
        admit(request) {
          const tenant = request.head.header(header.toLowerCase());
          if (tenant === undefined) return answer({ status: 400, body: `${header} is missing\n` });
          if (!tenants.has(tenant)) return answer({ status: 403, body: "unknown tenant\n" });
          request.addResponseField("X-Served-Tenant", tenant);
          return undefined;
        },
      };
    },
  },
  policies: { nearest: { create: () => nearest } },
  alertFormats: { tickets },
});
