import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { tauriBackend } from "@/backend/tauri";
import { App } from "@/views/app";
import "./styles.css";

const root = document.getElementById("root");
if (!root) throw new Error("index.html has a #root");
createRoot(root).render(
  <StrictMode>
    <App backend={tauriBackend} />
  </StrictMode>,
);
