/** Creates the source of an entry of the configuration. */

import type { DiscoveryEntry, SourceKind, SourceSettings } from "../config/discovery.ts";
import { createDnsSource } from "./dns-source.ts";
import { createDockerSource } from "./docker-source.ts";
import { createKubernetesSource } from "./kubernetes-source.ts";
import { createFileSource } from "./members-file.ts";
import { createSrvSource } from "./srv-source.ts";
import type { DiscoverySource, EntryOf, SourceContext } from "./source.ts";

type Creators = {
  readonly [Kind in SourceKind]: (
    entry: EntryOf<Extract<SourceSettings, { kind: Kind }>>,
    context: SourceContext,
  ) => DiscoverySource;
};

const creators: Creators = {
  dns: createDnsSource,
  srv: createSrvSource,
  file: createFileSource,
  docker: createDockerSource,
  kubernetes: createKubernetesSource,
};

export function createSource(entry: DiscoveryEntry, context: SourceContext): DiscoverySource {
  // The compiler cannot know that the creator belongs to the kind of the source.
  const create = creators[entry.source.kind] as (
    entry: DiscoveryEntry,
    context: SourceContext,
  ) => DiscoverySource;
  return create(entry, context);
}
