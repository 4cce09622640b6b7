/** The editor of YAML and the view of differences, which come when they are first shown. */
import { lazy, Suspense } from "react";
import { Loading } from "@/design/states";
import type { TextDiffProps } from "./diff";
import type { YamlEditorProps } from "./yaml-editor";

export type { Problem } from "./problems";
export type { Schema } from "./schema";

const Editor = lazy(() => import("./yaml-editor"));
const Diff = lazy(() => import("./diff"));

export function YamlEditor(props: YamlEditorProps) {
  return (
    <Suspense fallback={<Loading lines={12} label="Loading the editor" />}>
      <Editor {...props} />
    </Suspense>
  );
}

export function TextDiff(props: TextDiffProps) {
  return (
    <Suspense fallback={<Loading lines={8} label="Loading the comparison" />}>
      <Diff {...props} />
    </Suspense>
  );
}
