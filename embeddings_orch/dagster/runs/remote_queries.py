"""The GraphQL documents of a remote run and of a reload, as of Dagster 1.13."""

JOBS = """
query Jobs {
  workspaceOrError {
    __typename
    ... on Workspace {
      locationEntries {
        name
        locationOrLoadError {
          ... on RepositoryLocation { repositories { name jobs { name } } }
          ... on PythonError { message causes { message } }
        }
      }
    }
    ... on PythonError { message }
  }
}
"""

GRAPH = """
query Graph($job: PipelineSelector!) {
  assetNodes(pipeline: $job) { assetKey { path } dependencyKeys { path } }
}
"""

LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on PythonError { message }
    ... on PipelineNotFoundError { message }
    ... on InvalidSubsetError { message }
    ... on UnauthorizedError { message }
    ... on RunConflict { message }
    ... on ConflictingExecutionParamsError { message }
    ... on PresetNotFoundError { message }
  }
}
"""

# Of the metadata only what is counted or listed: a preview's picture may have megabytes.
EVENTS = """
query Events($id: ID!, $cursor: String) {
  runOrError(runId: $id) {
    ... on Run { status startTime endTime }
    ... on RunNotFoundError { message }
    ... on PythonError { message }
  }
  logsForRun(runId: $id, afterCursor: $cursor, limit: 500) {
    ... on EventConnection {
      cursor
      hasMore
      events {
        __typename
        ... on MessageEvent { message stepKey }
        ... on MaterializationEvent {
          assetKey { path }
          metadataEntries {
            label
            ... on IntMetadataEntry { intRepr }
            ... on FloatMetadataEntry { floatValue }
            ... on TextMetadataEntry { text }
            ... on BoolMetadataEntry { boolValue }
            ... on TableMetadataEntry { table { records } }
          }
        }
        ... on AssetCheckEvaluationEvent {
          evaluation { assetKey { path } checkName success severity description }
        }
        ... on ExecutionStepFailureEvent {
          error { className message causes { className message } }
          failureMetadata { description }
        }
        ... on RunFailureEvent { error { message causes { message } } }
      }
    }
    ... on RunNotFoundError { message }
    ... on PythonError { message }
  }
}
"""

STEPS = """
query Steps($id: ID!) {
  runOrError(runId: $id) {
    ... on Run {
      stepStats { stepKey status startTime endTime }
      executionPlan { steps { key } }
    }
  }
}
"""

RELOAD = """
mutation Reload($location: String!) {
  reloadRepositoryLocation(repositoryLocationName: $location) {
    ... on WorkspaceLocationEntry { locationOrLoadError { ... on PythonError { message } } }
    ... on ReloadNotSupported { message }
    ... on RepositoryLocationNotFound { message }
    ... on UnauthorizedError { message }
    ... on PythonError { message }
  }
}
"""
