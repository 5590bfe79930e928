/** Request heads for tests that need no engine. */

import type { RequestHead } from "../../src/proxy/request-head.ts";

export type TestHead = Partial<Omit<RequestHead, "header">> & {
  /** By lower-case name. */
  readonly headers?: Readonly<Record<string, string>>;
};

export function testHead({ headers = {}, clientAddress = "192.0.2.1", ...rest }: TestHead = {}): RequestHead {
  return {
    method: "GET",
    target: "/",
    host: "a.test",
    peerAddress: clientAddress,
    clientAddress,
    scheme: "http",
    listener: "main",
    header: (name) => (Object.hasOwn(headers, name) ? headers[name] : undefined),
    ...rest,
  };
}
