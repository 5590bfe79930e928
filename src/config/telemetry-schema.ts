/** The part of the configuration file's shape that is about what leaves the house: access log and traces. */

import { Type } from "@sinclair/typebox";

import { file, optional, share, strict, textSetting, word } from "./schema-kit.ts";

const accessLogFormats = ["json", "common"] as const;
export type AccessLogFormat = (typeof accessLogFormats)[number];

export const accessLog = optional(
  {
    to: file("stdout or a path", "stdout, or a file that is appended to and opened anew when it was moved."),
    format: word<AccessLogFormat>(
      accessLogFormats,
      "JSON lines, or the Common Log Format with times and upstream.",
    ),
    share: share("Share of requests that are written; those that failed always are."),
  },
  "One line for each request.",
);

export const tracing = Type.Object(
  {
    endpoint: textSetting(
      // Whoever may read the configuration sees it: secrets belong into OTEL_EXPORTER_OTLP_HEADERS.
      "^https?://[^\\s/@]+(/\\S*)?$",
      "a URL such as http://localhost:4318 without a user name or password",
      "Collector that speaks OTLP over HTTP.",
    ),
    share: Type.Optional(
      share("Share of requests that are traced where the client's traceparent does not say."),
    ),
    serviceName: Type.Optional(
      textSetting(
        "^\\S(.{0,253}\\S)?$",
        "a name of at most 255 characters",
        "How traces name this balancer.",
      ),
    ),
  },
  {
    ...strict,
    description: "Spans of requests and attempts go to a collector; without it nothing is traced.",
    errorMessage: "a map with endpoint",
  },
);
