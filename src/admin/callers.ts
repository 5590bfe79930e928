/** Who sent a request, as the guard found out: kept beside the request, where no field of it can pretend otherwise. */

import type { Caller } from "../access/access.ts";

const callers = new WeakMap<Request, Caller>();

export function remember(request: Request, caller: Caller): void {
  callers.set(request, caller);
}

/** Undefined where nobody was asked. */
export function callerOf(request: Request): Caller | undefined {
  return callers.get(request);
}

export function bearerOf(request: Request): string | undefined {
  return /^Bearer +([^ ]+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
}
