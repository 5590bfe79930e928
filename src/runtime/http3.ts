/** An engine with HTTP/3 beside its own listeners: for every port that clients reach over TCP, the UDP port of the same number. */

import {
  type Engine,
  type EngineListener,
  type EngineOptions,
  listenError,
  type ListenerOptions,
} from "../engine/engine.ts";

type Http3Server = Pick<EngineListener, "active" | "drain" | "close">;

/** @param serve opens the UDP port of one listener; throws if it is not available */
export function withHttp3(
  engine: Engine,
  serve: (listener: ListenerOptions, options: EngineOptions) => Http3Server,
): Engine {
  return {
    name: engine.name,
    async listen(options) {
      const opened = await engine.listen(options);
      if (!options.listeners.some(({ http3 }) => http3)) return opened;
      const servers = openAll(options, opened, serve);
      return {
        ...opened,
        active: () => servers.reduce((sum, server) => sum + server.active(), opened.active()),
        async drain() {
          await Promise.all([opened.drain(), ...servers.map((server) => server.drain())]);
        },
        close() {
          for (const server of servers) server.close();
          opened.close();
        },
      };
    },
  };
}

/** If one cannot be opened, everything closes again. */
function openAll(
  options: EngineOptions,
  opened: EngineListener,
  serve: Parameters<typeof withHttp3>[1],
): readonly Http3Server[] {
  const servers: Http3Server[] = [];
  for (const [index, listener] of options.listeners.entries()) {
    if (!listener.http3) continue;
    try {
      servers.push(serve({ ...listener, port: opened.ports[index] ?? listener.port }, options));
    } catch (error) {
      for (const server of servers) server.close();
      opened.close();
      throw listenError(error, index);
    }
  }
  return servers;
}
