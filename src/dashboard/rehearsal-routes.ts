/** What the dashboard does when somebody begins or ends a rehearsal. */

import { Elysia } from "elysia";
import type { AdminClient, RehearsalWish } from "./admin-client.ts";
import type { Trouble } from "./picture.ts";
import { pageOf } from "./pool-table.tsx";

export interface RehearsalRouteSetting {
  readonly admin: Pick<AdminClient, "rehearse" | "endRehearsal">;
  /** Answers with the page as it is after the order, or with what was refused. */
  readonly answer: (done: Done) => Promise<Response>;
}

export interface Done {
  readonly id: string;
  readonly byScript: boolean;
  readonly back: string;
  /** A sentence; undefined if it was done. */
  readonly notice: string | undefined;
  readonly trouble: Trouble | undefined;
}

export function rehearsalRoutes({ admin, answer }: RehearsalRouteSetting) {
  const done = (id: string, byScript: boolean, action: string, trouble: Trouble | undefined) =>
    answer({
      ...{ id, byScript, back: pageOf(id), trouble },
      notice: trouble && `Cannot ${action} on ${id}: ${trouble.message}.`,
    });
  return new Elysia({ handler: { standardHostname: false } })
    .post("/upstreams/:id/rehearsal", async ({ params: { id }, body, headers }) => {
      const byScript = headers["hx-request"] === "true";
      const wish = wishIn(body);
      const refused = "message" in wish ? wish : await admin.rehearse(id, wish);
      return done(id, byScript, "begin a rehearsal", refused);
    })
    .post("/upstreams/:id/rehearsal/end", async ({ params: { id }, headers }) => {
      const byScript = headers["hx-request"] === "true";
      return done(id, byScript, "end the rehearsal", await admin.endRehearsal(id));
    });
}

/** What makes no sense goes to the admin API as it is: it alone says what is wrong. */
function wishIn(body: unknown): RehearsalWish | Trouble {
  const fields = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  if (fields["confirmed"] !== "yes") {
    return { reason: "refused", message: "confirm that this is meant for live traffic" };
  }
  const percent = numberOr(fields["errorPercent"]);
  return {
    latencyMs: numberOr(fields["latencyMs"]),
    errorShare: typeof percent === "number" ? percent / 100 : percent,
    error: fields["error"],
    seconds: numberOr(fields["seconds"]),
    probes: fields["probes"] === "yes",
    reason: fields["reason"],
  };
}

/** A number in a field; nothing if it was left empty, for the default to count. */
function numberOr(value: unknown): unknown {
  if (value === undefined || value === "") return undefined;
  const number = Number(value);
  return typeof value === "string" && Number.isFinite(number) ? number : value;
}
