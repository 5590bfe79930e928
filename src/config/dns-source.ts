/** Members from DNS: the addresses of a name, or the records of a service. */

import { type Static, Type } from "@sinclair/typebox";

import { choice, format, strict } from "./schema-kit.ts";
import type { SourceForm } from "./source-form.ts";

/** Which addresses of a name are members. */
const addressFamilies = ["any", "ipv4", "ipv6"] as const;
export type AddressFamily = (typeof addressFamilies)[number];

/** The A and AAAA records of a name. */
export interface DnsSettings {
  readonly kind: "dns";
  readonly name: string;
  readonly port: number;
  readonly family: AddressFamily;
}

/** The SRV records of a service (RFC 2782). */
export interface SrvSettings {
  readonly kind: "srv";
  readonly name: string;
  readonly family: AddressFamily;
}

const family = Type.Optional(
  choice<AddressFamily>(addressFamilies, "Which addresses are members; any, the default: IPv4 and IPv6."),
);

const nameAndPort = format("name-and-port", "Name and port: api.internal:8080.");
const serviceName = format("service", "Name of the records: _http._tcp.api.internal.");

const dnsMap = Type.Object(
  { name: nameAndPort, family },
  { ...strict, description: "A name and its family.", errorMessage: "a map with name" },
);
const srvMap = Type.Object(
  { name: serviceName, family },
  { ...strict, description: "A service and its family.", errorMessage: "a map with name" },
);

export const dnsForm: SourceForm<string | Static<typeof dnsMap>, DnsSettings> = {
  schema: Type.Union([nameAndPort, dnsMap], {
    description: "Members are the addresses of a name in DNS.",
    errorMessage: "a name and a port such as api.internal:8080, or a map with name",
  }),
  settingsOf(value) {
    const { name: text, family: chosen = "any" } = typeof value === "string" ? { name: value } : value;
    const [name = "", port] = text.split(":");
    return { kind: "dns", name: name.toLowerCase(), port: Number(port), family: chosen };
  },
  fileOf: ({ name, port, family: chosen }) => withFamily(`${name}:${port}`, chosen),
  subjectOf: ({ name, port }) => `${name}:${port}`,
};

export const srvForm: SourceForm<string | Static<typeof srvMap>, SrvSettings> = {
  schema: Type.Union([serviceName, srvMap], {
    description: "Members are the servers of a service in DNS, with their ports and weights.",
    errorMessage: "the name of a service such as _http._tcp.api.internal, or a map with name",
  }),
  settingsOf(value) {
    const { name, family: chosen = "any" } = typeof value === "string" ? { name: value } : value;
    return { kind: "srv", name: name.toLowerCase(), family: chosen };
  },
  fileOf: ({ name, family: chosen }) => withFamily(name, chosen),
  subjectOf: ({ name }) => name,
};

function withFamily(name: string, chosen: AddressFamily): unknown {
  return chosen === "any" ? name : { name, family: chosen };
}
