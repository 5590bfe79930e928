/** Parts of a runtime that are loaded when they are first used: a balancer listens with one engine and mostly needs no other client. */

import type { EngineName } from "../config/config.ts";
import type { Engine } from "../engine/engine.ts";
import { failureOf } from "../engine/fetch/forward.ts";
import type { SubrequestSender } from "../filter/subrequest.ts";
import type { Runtime } from "./runtime.ts";

/** An engine that is loaded when it listens. */
export function engineOnDemand(name: EngineName, load: () => Promise<Engine>): Engine {
  return {
    name,
    async listen(options) {
      const engine = await load();
      return engine.listen(options);
    },
  };
}

/** A sender that is loaded and opened with its first request. */
export function senderOnDemand(load: () => Promise<SubrequestSender>): SubrequestSender {
  let loading: Promise<SubrequestSender> | undefined;
  return {
    async send(outgoing) {
      loading ??= load();
      const sender = await loading;
      return sender.send(outgoing);
    },
    failureOf,
  };
}

/** A client for requests over HTTP/2 that is loaded with the first one. */
export function http2OnDemand(load: () => Promise<Runtime["requestHttp2"]>): Runtime["requestHttp2"] {
  let loading: Promise<Runtime["requestHttp2"]> | undefined;
  return async (request) => {
    loading ??= load();
    const requestHttp2 = await loading;
    return requestHttp2(request);
  };
}
