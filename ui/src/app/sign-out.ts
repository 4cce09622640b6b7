import { send } from "@/api/client";
import { doing } from "@/design/toasts";
import { forgetMe } from "./me";

export async function signOut(): Promise<void> {
  forgetMe();
  if (await doing(send("/logout", { method: "POST" }), "You are signed out")) window.location.assign("/ui/sign-in");
}
