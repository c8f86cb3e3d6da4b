//! The desktop shell of Tallylight: one window over the studio. It holds what only a desktop has (the
//! window, the tray, dialogs, the end of the session) and hands everything else through.

#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

mod commands;
mod demo;
mod elsewhere;
mod frames;
mod goes_to;
mod leaving;
mod logs;
mod notices;
mod opened;
mod renderer;
mod setup;
mod store;
mod tray;
mod window;

fn main() -> anyhow::Result<()> {
    renderer::choose();
    setup::run()
}
