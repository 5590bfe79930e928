/** The schema of an upstream in the configuration file, and of one that an operator adds. */

import { type Static, Type } from "@sinclair/typebox";

import { file, flag, format, integer, name, optional, origin, strict } from "./schema-kit.ts";

export const upstreamTls = (description: string) =>
  optional(
    {
      ca: file("the path of a PEM file", "PEM file with the authorities to trust instead of the system's."),
      serverName: format("name", "Name for SNI and certificate verification instead of the URL's host."),
      cert: file(
        "the path of a PEM file",
        "PEM file with the certificate to show to servers that ask for one.",
      ),
      key: file("the path of a PEM file", "PEM file with its private key, without a passphrase."),
      verify: flag("false disables certificate verification (man-in-the-middle risk)."),
    },
    description,
  );

export const upstreamKeys = {
  url: origin,
  name: Type.Optional(name),
  weight: Type.Optional(integer(0, 256, "Relative share of the pool's traffic; 0 disables the upstream.")),
  backup: Type.Optional(flag("Serves only when no other upstream is available.")),
  http2: Type.Optional(flag("Whether this upstream speaks HTTP/2; by default as http2 of the pool.")),
  tls: Type.Optional(upstreamTls("TLS settings of this https upstream; missing ones come from upstreamTls.")),
};

export const upstreamFileSchema = Type.Object(upstreamKeys, {
  ...strict,
  description: "One upstream.",
  errorMessage: "a URL or a map with url",
});

export type UpstreamFile = Static<typeof upstreamFileSchema>;
