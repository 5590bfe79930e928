/** The document around every page, also those of visitors who are not in: its head, and the mark of the product. */
/** @jsxImportSource @kitajs/html */

import type { Children } from "@kitajs/html";
import { assets } from "./assets.ts";

interface DocumentProps {
  readonly title: string;
  /** What else stands in the head. */
  readonly head?: JSX.Element;
  readonly body: Readonly<Record<string, string>>;
  readonly children: Children;
}

export function HtmlDocument({ title, head = "", body, children }: DocumentProps): JSX.Element {
  return (
    <>
      {"<!doctype html>"}
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <meta name="viewport" content="width=device-width, initial-scale=1" />
          <meta name="color-scheme" content="light dark" />
          <title safe>{title}</title>
          <link rel="icon" type="image/svg+xml" href={assets.icon.path} />
          <link rel="stylesheet" href={assets.style.path} />
          {head}
        </head>
        <body {...body}>{children}</body>
      </html>
    </>
  );
}

export function Brand(): JSX.Element {
  return (
    <>
      <img src={assets.icon.path} alt="" width="28" height="28" />
      <span>Evenkeel</span>
    </>
  );
}
