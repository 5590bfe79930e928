/** Creates the source of an entry of the configuration. The code of a kind is loaded when a source of it starts. */

import type { DiscoveryEntry, SourceKind, SourceSettings } from "../config/discovery.ts";
import type { Cancel } from "../lib/clock.ts";
import type { DiscoveryListener, DiscoverySource, EntryOf, SourceContext } from "./source.ts";

type Create<Kind extends SourceKind> = (
  entry: EntryOf<Extract<SourceSettings, { kind: Kind }>>,
  context: SourceContext,
) => DiscoverySource;

const loaders: { readonly [Kind in SourceKind]: () => Promise<Create<Kind>> } = {
  dns: async () => (await import("./dns-source.ts")).createDnsSource,
  srv: async () => (await import("./srv-source.ts")).createSrvSource,
  file: async () => (await import("./members-file.ts")).createFileSource,
  docker: async () => (await import("./docker-source.ts")).createDockerSource,
  kubernetes: async () => (await import("./kubernetes-source.ts")).createKubernetesSource,
};

/** Whose answers leave members out. */
const sampled: ReadonlySet<SourceKind> = new Set(["dns", "srv"]);

export function createSource(entry: DiscoveryEntry, context: SourceContext): DiscoverySource {
  const { kind } = entry.source;
  // The compiler cannot know that the creator belongs to the kind of the source.
  const load = loaders[kind] as () => Promise<
    (entry: DiscoveryEntry, context: SourceContext) => DiscoverySource
  >;
  return {
    isSampled: sampled.has(kind),
    start: (listener) => startLoaded(listener, async () => (await load())(entry, context)),
  };
}

/** Starts a source that is not there yet, unless it is cancelled before. */
function startLoaded(listener: DiscoveryListener, load: () => Promise<DiscoverySource>): Cancel {
  let isCancelled = false;
  let cancel = () => {};
  load().then(
    (source) => {
      if (!isCancelled) cancel = source.start(listener);
    },
    (error: unknown) => {
      if (!isCancelled) listener.failed(String(error));
    },
  );
  return () => {
    isCancelled = true;
    cancel();
  };
}
