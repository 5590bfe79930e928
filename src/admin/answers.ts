/** The shapes in which the admin side answers: JSON, health words, and problems. */

import type { Denied } from "../control/control.ts";

export function json(status: number, value: unknown): Response {
  return Response.json(value, { status, headers: { "Cache-Control": "no-store" } });
}

export function health(status: number, word: string): Response {
  return json(status, { status: word });
}

/** @param more what else is known: `problems` where several things are wrong */
export function problem(status: number, reason: string, message: string, more: object = {}): Response {
  return json(status, { error: { status, reason, message, ...more } });
}

export function denial({ status, reason, message, problems }: Denied): Response {
  return problem(status, reason, message, problems ? { problems } : {});
}

/** @param allow the methods that this address has */
export function wrongMethod(allow: string): Response {
  const answer = problem(405, "method_not_allowed", `Use ${allow} here.`);
  answer.headers.set("Allow", allow);
  return answer;
}
