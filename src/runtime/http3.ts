/** An engine with HTTP/3 beside its own listeners: for every port that clients reach over TCP, the UDP port of the same number. */

import {
  type Engine,
  type EngineListener,
  type EngineOptions,
  listenError,
  type ListenerOptions,
} from "../engine/engine.ts";

type Http3Server = Pick<EngineListener, "active" | "drain" | "close">;

/** Opens the UDP port of one listener; throws if it is not available. */
export type ServeHttp3 = (listener: ListenerOptions, options: EngineOptions) => Http3Server;

/** @param load called when a listener has HTTP/3 */
export function withHttp3(engine: Engine, load: () => Promise<ServeHttp3>): Engine {
  return {
    name: engine.name,
    async listen(options) {
      if (!options.listeners.some(({ http3 }) => http3)) return engine.listen(options);
      const serve = await load();
      const opened = await engine.listen(options);
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
function openAll(options: EngineOptions, opened: EngineListener, serve: ServeHttp3): readonly Http3Server[] {
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
