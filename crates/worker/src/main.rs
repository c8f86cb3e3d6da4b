//! The studio without its window, for servers and scripts.

mod args;
mod record;
mod report;
mod session;

use clap::Parser;
use egress::error::ApiError;
use tracing_subscriber::EnvFilter;

use crate::args::{Args, Command};

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let done = runtime.block_on(run(args));
    // A thread that still waits for something must not keep the program from ending.
    runtime.shutdown_background();
    if let Err(error) = done {
        report::error(&error);
        std::process::exit(1);
    }
    Ok(())
}

async fn run(args: Args) -> Result<(), ApiError> {
    match args.command {
        Command::Record(record) => record::run(&args.access, &record).await,
        Command::Rooms => rooms(&args.access).await,
    }
}

async fn rooms(access: &args::Access) -> Result<(), ApiError> {
    let session = session::Session::logged_in(access).await?;
    let rooms = session.rooms().await;
    session.close().await?;
    for room in rooms? {
        println!("{}\t{}", room.name, room.num_participants);
    }
    Ok(())
}
