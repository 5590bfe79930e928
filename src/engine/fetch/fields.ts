/** Applies the proxy's field rules to standard `Headers`, for requests and answers. */

import { forwardingFields, hopByHop, isUnderscoreForwarded, connectionTokens } from "../../proxy/headers.ts";
import { formatTraceparent } from "../../proxy/trace-context.ts";
import type { FetchEngineContext, RequestContext } from "./handler.ts";

/** What an upstream gets: the client's fields without this hop's, with ours. Host stays the client's. */
export function upstreamHeaders(
  { isTrustedProxy, listenPort }: Pick<FetchEngineContext, "isTrustedProxy" | "listenPort">,
  { request, head, exchange, requestId }: RequestContext,
): Headers {
  const forwarding = forwardingFields(head, { isTrustedProxy, listenPort: listenPort() });
  const fields = withoutHopByHop(request.headers);
  // Consumed at this hop: the listener has answered "100 Continue" already.
  fields.delete("expect");
  if (!isTrustedProxy(head.clientAddress)) fields.delete("forwarded");
  for (const name of [...fields.keys()]) if (isUnderscoreForwarded(name)) fields.delete(name);
  fields.set("Host", head.host);
  for (const [name, value] of Object.entries(forwarding)) fields.set(name, value);
  fields.set("X-Request-Id", requestId);
  if (exchange.trace) fields.set("traceparent", formatTraceparent(exchange.trace));
  return fields;
}

/** What a client gets: the upstream's fields without this hop's. */
export function withoutHopByHop(given: Headers): Headers {
  const fields = new Headers(given);
  for (const name of connectionTokens(given.get("connection") ?? undefined)) removeNamed(fields, name);
  for (const name of hopByHop) fields.delete(name);
  // Trailers are lost on this engine, so none are announced.
  fields.delete("trailer");
  return fields;
}

/** Connection may list anything, also what is no field name, and what this hop needs. */
function removeNamed(fields: Headers, name: string): void {
  if (name !== "host" && name !== "content-length" && /^[\w!#$%&'*+.^`|~-]+$/.test(name)) fields.delete(name);
}
