/** Members from Kubernetes: the endpoints of a service. */

import { type Static, Type } from "@sinclair/typebox";

import { file, format, integer, strict, textSetting } from "./schema-kit.ts";
import type { SourceForm } from "./source-form.ts";

export interface KubernetesSettings {
  readonly kind: "kubernetes";
  readonly service: string;
  /** Undefined for that of the pod in which this process runs, or "default". */
  readonly namespace?: string;
  /** Name of a port of the service, or number of a port of its pods; undefined for the only one. */
  readonly port?: string | number;
  /** Origin of the API server; undefined in a cluster, whose environment names it. */
  readonly server?: string;
  /** By default those of the pod's service account. */
  readonly caFile?: string;
  readonly tokenFile?: string;
}

/** How services, namespaces and ports are named: a DNS label (RFC 1123 section 2.1). */
const namePattern = "[a-z\\d]([-a-z\\d]{0,61}[a-z\\d])?";

const serviceAndNamespace = textSetting(
  `^(${namePattern}/)?${namePattern}$`,
  "the name of a service such as web or shop/web",
  "Name of the service, with or without its namespace.",
);

const kubernetesMap = Type.Object(
  {
    service: textSetting(`^${namePattern}$`, "the name of a service", "Name of the service."),
    namespace: Type.Optional(
      textSetting(
        `^${namePattern}$`,
        "the name of a namespace",
        "Namespace of the service; by default that of the pod in which the balancer runs.",
      ),
    ),
    port: Type.Optional(
      Type.Union(
        [
          integer(1, 65_535, "Number of a port of the pods."),
          textSetting(`^${namePattern}$`, "the name of a port", "Name of a port of the service."),
        ],
        {
          description:
            "Name of a port of the service, or number of a port of its pods; needed if there are several.",
          errorMessage: "the name of a port of the service, or the number of a port of its pods",
        },
      ),
    ),
    server: Type.Optional(
      format("api-server", "URL of the API server, for a balancer outside of the cluster."),
    ),
    caFile: Type.Optional(
      file(
        "the path of a PEM file",
        "PEM file with the authority of the API server; by default the service account's.",
      ),
    ),
    tokenFile: Type.Optional(
      file(
        "the path of a file",
        "File with the token, read for each request; by default the service account's.",
      ),
    ),
  },
  { ...strict, description: "A service and where it is asked for.", errorMessage: "a map with service" },
);

export const kubernetesForm: SourceForm<string | Static<typeof kubernetesMap>, KubernetesSettings> = {
  schema: Type.Union([serviceAndNamespace, kubernetesMap], {
    description: "Members are the endpoints of a service of Kubernetes.",
    errorMessage: "the name of a service such as shop/web, or a map with service",
  }),
  settingsOf(value) {
    if (typeof value !== "string") return { kind: "kubernetes", ...value };
    const [service = "", namespace] = value.split("/").toReversed();
    return { kind: "kubernetes", service, ...(namespace !== undefined && { namespace }) };
  },
  fileOf({ kind: _, service, namespace, ...rest }) {
    if (Object.keys(rest).length === 0) return fullName({ service, namespace });
    return { service, ...(namespace !== undefined && { namespace }), ...rest };
  },
  subjectOf: ({ service, namespace, port, server }) =>
    [
      fullName({ service, namespace }),
      ...(port === undefined ? [] : [`port ${port}`]),
      ...(server === undefined ? [] : [`at ${server}`]),
    ].join(" "),
};

/** "shop/web", or "web" in the namespace of the balancer. */
function fullName({ service, namespace }: { service: string; namespace: string | undefined }): string {
  return namespace === undefined ? service : `${namespace}/${service}`;
}
