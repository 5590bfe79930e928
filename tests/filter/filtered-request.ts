/** Requests as filters see them, for their tests. */

import { FilteredRequest } from "../../src/proxy/filter.ts";

export interface RequestFields {
  readonly client?: string;
  readonly peer?: string;
  readonly target?: string;
  readonly host?: string;
  /** By lower-case name. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly captures?: Readonly<Record<string, string>>;
  readonly user?: string;
}

export function requestOf(fields: RequestFields = {}): FilteredRequest {
  const { client = "192.0.2.7", peer = client, target = "/", host = "shop.example", headers = {} } = fields;
  const head = {
    method: "GET",
    listener: "main",
    ...{ target, host, clientAddress: client, peerAddress: peer, scheme: "http" as const },
    header: (name: string) => headers[name],
  };
  const match = {
    route: { place: "routes[0]", name: "shop" },
    ...(fields.captures && { captures: fields.captures }),
  };
  const request = new FilteredRequest(head, match, { requestId: "id-1", trace: undefined });
  request.user = fields.user;
  return request;
}
