//! The studio without its window, for servers and scripts.

mod args;
mod record;
mod report;
mod serve;
mod session;

use clap::Parser;
use egress::error::{ApiError, ErrorCode, Fault};
use tracing_subscriber::EnvFilter;

use crate::args::{Args, Command};

fn main() {
    let args = Args::parse();
    if let Command::Serve(serve) = &args.command {
        return finish(serve::prepare(serve.config.as_deref()).and_then(|prepared| {
            serve::begin_log(prepared.logging());
            block_on(serve::run(&args.access, prepared))
        }));
    }
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    finish(block_on(run(args)))
}

fn block_on(work: impl Future<Output = Result<(), ApiError>>) -> Result<(), ApiError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| {
        ApiError::new(
            ErrorCode::Internal,
            Fault::Environment,
            "The program cannot start its threads.",
            "End other programs, or raise the limits of this user.",
        )
        .with_detail(error)
    })?;
    let done = runtime.block_on(work);
    // A thread that still waits for something must not keep the program from ending.
    runtime.shutdown_background();
    done
}

fn finish(done: Result<(), ApiError>) {
    if let Err(error) = done {
        report::error(&error);
        std::process::exit(1);
    }
}

async fn run(args: Args) -> Result<(), ApiError> {
    match args.command {
        Command::Record(record) => record::run(&args.access, &record).await,
        Command::Rooms => rooms(&args.access).await,
        Command::Serve(_) => unreachable!("it was taken care of"),
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
