//! The layouts to choose from: those that come with the program, and the operator's own, which are documents in
//! a folder that any editor can change.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use egress::error::{ApiError, ErrorCode, Fault};
use egress::id::EgressId;
use egress::layout::document::LayoutName;
use egress::layout::{Broken, Layout, read, rules, stock};
use egress::request::RecordSource;
use egress::wire::LayoutChange;
use futures_util::future::BoxFuture;

use crate::error::{no_such_job, precondition, storage};
use crate::studio::{Inner, Studio};
use crate::supervisor::{Command, call};
use crate::surface::{Change, Job, LayoutChoice};

/// Between two looks at the folder.
const EVERY: Duration = Duration::from_secs(1);
/// The operator's documents, in the studio's folder.
const FOLDER: &str = "layouts";

/// What tells that a file has changed.
type Stamp = (SystemTime, u64);

/// The operator's own documents, as they were last read.
#[derive(Default)]
pub(crate) struct Own {
    read: BTreeMap<PathBuf, (Stamp, Result<Layout, Broken>)>,
}

impl Own {
    /// Reads what has changed. Some: something has, and these documents were read.
    fn look(&mut self, folder: &Path) -> Option<Vec<String>> {
        let found: BTreeMap<PathBuf, Stamp> = std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let about = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
                let json = entry.path().extension().is_some_and(|end| end == "json");
                json.then_some((entry.path(), (about.modified().ok()?, about.len())))
            })
            .collect();
        let before = self.read.len();
        self.read.retain(|path, _| found.contains_key(path));
        let gone = self.read.len() != before;
        let mut changed = Vec::new();
        for (path, stamp) in found {
            if self.read.get(&path).is_none_or(|(known, _)| *known != stamp) {
                let layout = document(&path);
                changed.push(named(&path));
                self.read.insert(path, (stamp, layout));
            }
        }
        (gone || !changed.is_empty()).then_some(changed)
    }

    /// The document of a name.
    fn find(&self, name: &str) -> Option<&Result<Layout, Broken>> {
        self.read.iter().find(|(path, _)| named(path) == name).map(|(_, (_, layout))| layout)
    }

    /// All that is to choose from, the stock ones first.
    pub(crate) fn choices(&self) -> Vec<LayoutChoice> {
        let of_stock = stock().iter().map(|layout| choice(&layout.name.0, true, Some(layout), None));
        let own = self.read.iter().map(|(path, (_, layout))| {
            let broken = layout.as_ref().err().or(self.dangling(layout).as_ref()).cloned();
            choice(&named(path), false, layout.as_ref().ok(), broken)
        });
        of_stock.chain(own).collect()
    }

    /// A reference of a document to one that is not there.
    fn dangling(&self, layout: &Result<Layout, Broken>) -> Option<Broken> {
        let known = |name: &str| stock().iter().any(|one| one.name.0 == name) || self.find(name).is_some();
        rules::references(layout.as_ref().ok()?, known).err()
    }
}

/// What a file's layout is called.
fn named(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn document(path: &Path) -> Result<Layout, Broken> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Broken::at("", format!("The file cannot be read: {error}.")))?;
    let layout = read(&text)?;
    if layout.name.0 != named(path) {
        let reason = format!("The file is called {}.json: the name has to be the same.", named(path));
        return Err(Broken::at("/name", reason));
    }
    if stock().iter().any(|one| one.name == layout.name) {
        return Err(Broken::at("/name", "A layout that comes with Tallylight has this name: take another."));
    }
    Ok(layout)
}

fn choice(name: &str, comes_with: bool, layout: Option<&Layout>, broken: Option<Broken>) -> LayoutChoice {
    LayoutChoice {
        name: name.to_owned(),
        title: layout.map_or_else(|| name.to_owned(), |layout| layout.title.clone()),
        stock: comes_with,
        portrait: layout.is_some_and(|layout| layout.frame == egress::layout::document::FrameHint::Portrait),
        light: layout.is_some_and(egress::layout::Layout::is_light),
        regions: layout
            .iter()
            .flat_map(|layout| &layout.regions)
            .map(|region| [region.x, region.y, region.width, region.height])
            .collect(),
        broken,
    }
}

/// Looks at the folder for ever.
pub(crate) async fn watch(inner: Arc<Inner>) {
    loop {
        let looking = inner.clone();
        let found = tokio::task::spawn_blocking(move || {
            let mut own = looking.layouts.lock();
            own.look(&looking.layouts_dir()).map(|changed| (changed, own.choices()))
        });
        if let Ok(Some((changed, layouts))) = found.await {
            inner.board.publish(Change::Layouts { layouts });
            inner.draw_anew(&changed).await;
        }
        tokio::time::sleep(EVERY).await;
    }
}

impl Studio {
    /// Makes a copy of a layout for the operator to change. Its name is returned; it is in the list at once.
    ///
    /// # Errors
    /// There is no such layout, or the file cannot be written.
    pub fn copy_layout(&self, name: String) -> BoxFuture<'_, Result<String, ApiError>> {
        Box::pin(async move {
            let inner = self.inner.clone();
            let copied = tokio::task::spawn_blocking(move || {
                let mut own = inner.layouts.lock();
                let layout = match own.find(&name) {
                    Some(layout) => layout.clone().map_err(|broken| cannot_draw(&name, &broken))?,
                    None => {
                        stock().iter().find(|one| one.name.0 == name).cloned().ok_or_else(no_such_layout)?
                    }
                };
                let folder = inner.layouts_dir();
                let cannot = |error: std::io::Error| {
                    storage(&folder, "The layout cannot be written into the folder").with_detail(error)
                };
                std::fs::create_dir_all(&folder).map_err(cannot)?;
                for n in 2..1000 {
                    let stem = name.get(..name.len().min(48)).unwrap_or(&name);
                    let copy = Layout {
                        name: LayoutName(format!("{stem}-{n}")),
                        title: format!("{} {n}", layout.title),
                        ..layout.clone()
                    };
                    let path = folder.join(format!("{}.json", copy.name.0));
                    let mut text = serde_json::to_string_pretty(&copy).map_err(crate::error::internal)?;
                    text.push('\n');
                    match std::fs::OpenOptions::new().write(true).create_new(true).open(&path) {
                        Ok(mut file) => {
                            std::io::Write::write_all(&mut file, text.as_bytes()).map_err(cannot)?
                        }
                        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
                        Err(error) => return Err(cannot(error)),
                    }
                    own.look(&folder);
                    inner.board.publish(Change::Layouts { layouts: own.choices() });
                    return Ok(copy.name.0);
                }
                Err(precondition(
                    "There are too many copies of this layout.",
                    "Delete some that are not needed.",
                ))
            });
            copied.await.map_err(crate::error::internal)?
        })
    }

    /// Where the operator's own layouts are.
    pub fn layouts_folder(&self) -> PathBuf {
        self.inner.layouts_dir()
    }

    /// Changes the layout of a job, at once.
    ///
    /// # Errors
    /// There is no such job or layout, the layout cannot be drawn (the picture stays), or the job's page does
    /// not take it.
    pub fn update_layout(&self, egress_id: EgressId, layout: String) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let inner = &self.inner;
            let job = inner.board.job(&egress_id).ok_or_else(no_such_job)?;
            let handle = inner.handle(&egress_id)?;
            let change = match inner.own_layout(&layout)? {
                Some(document) => LayoutChange::Document(Box::new(document)),
                None => LayoutChange::Name(layout.clone()),
            };
            let told = call(&handle, |reply| Command::UpdateLayout { layout: change, reply }).await;
            let told = match told {
                // A template of somebody else's: it listens as LiveKit's contract has it.
                Err(error) if error.code == ErrorCode::Unsupported && !job.request.room_name.is_empty() => {
                    let (_, server) = inner.current_server().await?;
                    let metadata = serde_json::json!({ "layout": layout }).to_string();
                    let (room, identity) = (&job.request.room_name, egress_id.as_str());
                    room::service::update_metadata(&server, room, identity, &metadata).await
                }
                other => other,
            };
            told?;
            // What is held ready is held for the layout that it shows.
            inner.board.edit_job(&egress_id, |job| {
                if let RecordSource::RoomComposite { layout: asked, .. } = &mut job.request.source
                    && job.preview
                {
                    asked.clone_from(&layout);
                }
            });
            Ok(())
        })
    }

    /// Begins without the start signal of the job's page.
    ///
    /// # Errors
    /// There is no such job, or it does not wait.
    pub fn start_anyway(&self, egress_id: EgressId) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let handle = self.inner.handle(&egress_id)?;
            call(&handle, |reply| Command::StartAnyway { reply }).await
        })
    }
}

impl Inner {
    pub(crate) fn layouts_dir(&self) -> PathBuf {
        self.data_dir.join(FOLDER)
    }

    /// Shows documents that were changed in the preview that shows them. What is on air changes only when somebody
    /// asks for it.
    async fn draw_anew(&self, changed: &[String]) {
        let previews = self.board.read(|snapshot| {
            let shown = |job: &Job| match &job.request.source {
                RecordSource::RoomComposite { layout, base_url: None, .. } => Some(layout.clone()),
                _ => None,
            };
            let previews = snapshot.jobs.iter().filter(|job| job.preview && job.armed);
            previews.filter_map(|job| Some((job.egress_id.clone(), shown(job)?))).collect::<Vec<_>>()
        });
        for (id, name) in previews.into_iter().filter(|(_, name)| changed.contains(name)) {
            // A broken one is said to be so in the list, and the picture stays.
            let Ok(Some(document)) = self.own_layout(&name) else { continue };
            let Ok(handle) = self.handle(&id) else { continue };
            let layout = LayoutChange::Document(Box::new(document));
            if let Err(error) = call(&handle, |reply| Command::UpdateLayout { layout, reply }).await {
                tracing::warn!(egress_id = %id, %error, "a changed layout is not shown");
            }
        }
    }

    /// The operator's document of this name; none: it is a stock one, or one that only a template knows.
    pub(crate) fn own_layout(&self, name: &str) -> Result<Option<Layout>, ApiError> {
        let own = self.layouts.lock();
        let Some(layout) = own.find(name) else { return Ok(None) };
        let broken = layout.as_ref().err().cloned().or_else(|| own.dangling(layout));
        match (broken, layout) {
            (Some(broken), _) => Err(cannot_draw(name, &broken)),
            (None, Ok(layout)) => Ok(Some(layout.clone())),
            (None, Err(broken)) => Err(cannot_draw(name, broken)),
        }
    }

    /// The document that a source needs beside its name.
    pub(crate) fn document_of(&self, source: &RecordSource) -> Result<Option<Box<Layout>>, ApiError> {
        match source {
            RecordSource::RoomComposite { layout, base_url: None, .. } => {
                Ok(self.own_layout(layout)?.map(Box::new))
            }
            _ => Ok(None),
        }
    }
}

fn cannot_draw(name: &str, broken: &Broken) -> ApiError {
    ApiError::new(
        ErrorCode::InvalidArgument,
        Fault::Input,
        format!("The layout {name} cannot be drawn: {broken}"),
        "Correct the document, or choose another layout.",
    )
}

fn no_such_layout() -> ApiError {
    ApiError::new(ErrorCode::NotFound, Fault::Input, "There is no such layout.", "Choose one of the list.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_when_it_changes_and_a_broken_one_says_where() {
        let dir = tempfile::tempdir().unwrap();
        let mut own = Own::default();
        assert_eq!(own.look(&dir.path().join("not there")), None);
        let path = dir.path().join("mine.json");
        let (_, grid) = egress::layout::stock::texts().next().unwrap();
        let mine = grid.replacen("\"grid\"", "\"mine\"", 1);
        std::fs::write(&path, &mine).unwrap();
        assert_eq!(own.look(dir.path()), Some(vec!["mine".to_owned()]));
        assert_eq!(own.look(dir.path()), None, "nothing new");
        let choices = own.choices();
        assert_eq!(choices.len(), stock().len() + 1);
        assert_eq!((choices.last().unwrap().name.as_str(), &choices.last().unwrap().broken), ("mine", &None));

        std::fs::write(&path, format!("{mine} x")).unwrap();
        assert!(own.look(dir.path()).is_some());
        let broken = own.choices().last().unwrap().broken.clone().unwrap();
        assert!(broken.line.is_some(), "{broken:?}");
        std::fs::write(dir.path().join("other.json"), &mine).unwrap();
        own.look(dir.path());
        let other = own.choices().into_iter().find(|one| one.name == "other").unwrap();
        assert_eq!(other.broken.unwrap().path, "/name");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(own.look(dir.path()), Some(Vec::new()));
        assert!(own.find("mine").is_none());
    }
}
