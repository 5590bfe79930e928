/** A request as filters see it, without an engine. */

import { FilteredRequest, type MatchedRequest } from "../../src/proxy/filter.ts";
import type { RequestHead } from "../../src/proxy/request-head.ts";

export interface FilteredRequestOptions extends Partial<Omit<RequestHead, "header">> {
  /** By lower-case name. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly captures?: NonNullable<MatchedRequest["captures"]>;
}

export function filteredRequest({
  headers = {},
  captures = {},
  ...head
}: FilteredRequestOptions = {}): FilteredRequest {
  const address = "192.0.2.7";
  const whole: RequestHead = {
    ...{ method: "GET", target: "/", host: "a.test", scheme: "http", listener: "main" },
    ...{ peerAddress: address, clientAddress: address },
    ...head,
    header: (name) => headers[name],
  };
  const match = { route: { place: "routes[0]" }, captures };
  return new FilteredRequest(whole, match, { requestId: "id-1", trace: undefined });
}
