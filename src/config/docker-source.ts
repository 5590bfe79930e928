/** Members from Docker: the containers with a label. */

import { type Static, Type } from "@sinclair/typebox";

import { flag, format, integer, strict, textSetting } from "./schema-kit.ts";
import type { SourceForm } from "./source-form.ts";

export interface DockerSettings {
  readonly kind: "docker";
  /** "app" or "app=web". A container needs all of them. */
  readonly labels: readonly string[];
  /** The network with the addresses of the containers. */
  readonly network?: string;
  /** The port in the containers. */
  readonly port?: number;
  /** Whether members are the ports that the host publishes. */
  readonly published: boolean;
  /** "unix:///var/run/docker.sock" or "tcp://socket-proxy:2375". */
  readonly host: string;
}

export const defaultDockerHost = "unix:///var/run/docker.sock";

const label = textSetting(
  "^[^\\s=]+(=.*)?$",
  "a label such as app=web",
  "A label of the containers, with or without a value.",
);

const dockerMap = Type.Object(
  {
    label: Type.Union(
      [
        label,
        Type.Array(label, {
          minItems: 1,
          maxItems: 20,
          description: "Labels that a container needs, all of them.",
          errorMessage: "a label such as app=web, or a list of labels",
        }),
      ],
      {
        description: "Label of the containers, or several.",
        errorMessage: "a label such as app=web, or a list of labels",
      },
    ),
    network: Type.Optional(
      textSetting(
        "^[\\w][\\w.-]*$",
        "the name of a network",
        "Network with the addresses, as Docker or the Compose file names it; needed for containers in several.",
      ),
    ),
    port: Type.Optional(
      integer(
        1,
        65_535,
        "Port in the containers; by default the label evenkeel.port, or the only exposed port.",
      ),
    ),
    published: Type.Optional(
      flag("Uses the ports that the host publishes, where the containers' own addresses cannot be reached."),
    ),
    host: Type.Optional(
      format(
        "docker-host",
        `Where Docker answers; ${defaultDockerHost} by default. Better a proxy that only reads.`,
      ),
    ),
  },
  { ...strict, description: "Containers and how they are reached.", errorMessage: "a map with label" },
);

export const dockerForm: SourceForm<string | Static<typeof dockerMap>, DockerSettings> = {
  schema: Type.Union([label, dockerMap], {
    description: "Members are the containers of Docker with a label.",
    errorMessage: "a label such as app=web, or a map with label",
  }),
  settingsOf(value) {
    const {
      label: given,
      published = false,
      host = defaultDockerHost,
      ...rest
    } = typeof value === "string" ? { label: value } : value;
    return { kind: "docker", labels: [given].flat(), published, host, ...rest };
  },
  fileOf({ kind: _, labels, published, host, ...rest }) {
    const one = labels.length === 1 ? labels[0] : labels;
    const file = {
      label: one,
      ...rest,
      ...(published && { published }),
      ...(host !== defaultDockerHost && { host }),
    };
    return typeof one === "string" && Object.keys(file).length === 1 ? one : file;
  },
  subjectOf: ({ labels, host }) =>
    `label ${labels.join(", ")}${host === defaultDockerHost ? "" : ` at ${host}`}`,
};
